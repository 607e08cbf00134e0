"""One HTML file with what timings taught of a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go

from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.models.latency.bounds import what_bounds
from bayeslaw.report.latency.constants import learnt_constants, left_out_summary, noise_summary
from bayeslaw.report.latency.fitted import fitted_figure, residual_figure
from bayeslaw.report.latency.left_out import predict_timed_rows
from bayeslaw.report.latency.placement import bounds_figure, roofline_figure
from bayeslaw.report.markup import Html, join, table, tag
from bayeslaw.report.numbers import NBSP, percent, significant
from bayeslaw.report.page import standalone, write_whole
from bayeslaw.report.sections import figure_block


@dataclass(frozen=True)
class LatencyFigure:
    """Hold a figure with what is said of it.

    Attributes:
        name: Stable: ``residuals``.
        title: Above it.
        caption: Below it.
        drawn: The figure itself.
    """

    name: str
    title: str
    caption: str
    drawn: go.Figure


def latency_figures(surrogate: LatencySurrogate) -> list[LatencyFigure]:
    """Return the figures of a fitted surrogate, in the order of the page."""
    timed, bounds = predict_timed_rows(surrogate), what_bounds(surrogate, surrogate.table)
    how = (
        "Each timing was left out of what predicts it; constants and kernel saw all of them."
        if timed.is_left_out
        else "With so many timings none is left out: each was fitted to, and lies closer than a new one would."
    )
    return [
        LatencyFigure(
            "fitted",
            "Predicted against measured",
            f"{how} Bars are 90{NBSP}% intervals of a timing, {percent(float(timed.is_inside.mean()))} hold.",
            fitted_figure(surrogate, timed),
        ),
        LatencyFigure(
            "residuals",
            "What is left, by feature",
            f"{how} Points should scatter about zero; a trend is something that the roofline and the process missed.",
            residual_figure(surrogate, timed),
        ),
        LatencyFigure(
            "roofline",
            "Where passes sit under the roofline",
            "Dotted: the ceilings; solid: what the timings say is sustained, with a 90 % band. Points lie below "
            "by their overheads and by the traffic of activations.",
            roofline_figure(surrogate, bounds),
        ),
        LatencyFigure(
            "bounds",
            "What the time goes into",
            "Cases from the fastest to the slowest (network, batch x prompt + output): posterior means of each part's "
            "share, which is what a percent less of that part would save of a percent. Hatched: traffic of the KV cache and of links.",
            bounds_figure(surrogate, bounds),
        ),
    ]


def write_latency_page(path: Path | str, surrogate: LatencySurrogate) -> Path:
    """Write constants, notes and figures as one HTML file that needs nothing else.

    Args:
        path: The file; missing folders are made.
        surrogate: From `fit_latency`.

    Returns:
        The path.
    """
    figures = latency_figures(surrogate)
    served = surrogate.served
    title = f"{served['device']}: {len(surrogate.table)} timings"
    links = [tag("a", figure.title, href=f"#{figure.name}") for figure in figures]
    sections = [
        tag(
            "section",
            tag("h2", figure.title),
            figure_block(figure.name, figure.drawn, figure.caption),
            id=figure.name,
        )
        for figure in figures
    ]
    words = ", ".join(
        filter(None, (served["engine"], served["engine_version"], served["precision"]))
    )
    body = join(
        [
            tag("header", tag("p", "bayeslaw latency", class_="brand"), tag("h1", title)),
            tag(
                "section",
                tag("h2", "What was learnt"),
                tag("p", f"{words}; {_left_out(surrogate)}", class_="muted"),
                _constants(surrogate),
                _noise(surrogate),
                _notes(surrogate),
            ),
            tag("nav", *links, aria_label="Figures"),
            *sections,
        ]
    )
    return write_whole(Path(path), standalone(f"{title} – bayeslaw latency", body))


def _left_out(surrogate: LatencySurrogate) -> str:
    found = left_out_summary(surrogate)
    if found is None:
        return "timings were not left out one by one, there are too many."
    return (
        f"{found['share_inside']:.0%} of {found['n_timings']} left-out timings lie inside 90{NBSP}%, "
        f"before intervals are widened {significant(found['widening'])} times; normal scores "
        f"{found['mean_score']:+.2f} ± {found['sd_score']:.2f}."
    )


def _constants(surrogate: LatencySurrogate) -> Html:
    rows: Sequence[Sequence[object]] = [
        [
            tag("code", c.name), c.meaning, str(c),
            "–" if c.of_ceiling is None else percent(c.of_ceiling), f"{c.width_left:.2f}",
        ]
        for c in learnt_constants(surrogate)
    ]  # fmt: skip
    headers = ["Constant", "Meaning", "#Median, 90 %", "#Of the ceiling", "#Width left"]
    caption = "Width left is the posterior's over the prior's, in logs: at 1 the timings said nothing of it."
    return table(headers, rows, caption=caption)


def _noise(surrogate: LatencySurrogate) -> Html:
    found = noise_summary(surrogate)
    degrees = found.pop("tail_degrees")
    rows = [[tag("code", name), f"{100 * value:.2g}{NBSP}%"] for name, value in found.items()]
    caption = f"What scatters timings, as a share of latency; the tail has {significant(degrees, 2)} degrees of freedom."
    return table(["What", "#Size"], rows, caption=caption)


def _notes(surrogate: LatencySurrogate) -> Html | None:
    if not surrogate.notes:
        return None
    return tag("ul", *(tag("li", tag("code", n.code), f" {n.message}") for n in surrogate.notes))
