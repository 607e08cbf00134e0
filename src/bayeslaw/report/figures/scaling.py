"""How far the target lies beyond the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bayeslaw.report.content import ReportContent
from bayeslaw.report.curves import column_of, cost_flops, growth_band, point
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    MEASURED,
    RECOMMENDED,
    VERMILLION,
    add_band,
    bars,
    faded,
    new_figure,
    shape_label,
)
from bayeslaw.runs import Run

_PURPOSES: Mapping[str, tuple[str, str, str]] = {
    "initial": ("first set", "circle", GREY),
    "suggested": ("chosen by the planner", "circle", BLUE),
    "imported": ("imported", "triangle-up", GREY),
    "check": ("trained to check", "diamond-open", GREEN),
}


def scaling_figure(content: ReportContent) -> go.Figure | None:
    """Draw loss against training cost: runs by purpose, and the prediction up to the target.

    The band is what the recommended shape (the baseline's before there is one) would reach while
    its size and tokens grow from the runs' geometric mean to the target. None before any run.
    """
    n_column = content.posteriors[0].n_column if content.posteriors else "n_params"
    runs = [run for run in content.evidence if cost_flops(run, n_column) is not None]
    if not runs:
        return None
    figure = new_figure(460)
    if content.posteriors:
        _add_prediction(figure, content, runs, n_column)
    for purpose in dict.fromkeys((*_PURPOSES, *(run.purpose for run in runs))):
        of_purpose = [run for run in runs if run.purpose == purpose]
        if of_purpose:
            _add_runs(figure, of_purpose, purpose, n_column)
    _add_target(figure, content, n_column)
    counted = "all weights" if n_column == "n_params" else "weights without embeddings"
    figure.update_xaxes(
        type="log", title=f"Training cost 6 N D [FLOP], N: {counted}", exponentformat="power",
        dtick=1,
    )  # fmt: skip
    figure.update_yaxes(title="Loss [nats per token]")
    return figure


def _add_prediction(
    figure: go.Figure, content: ReportContent, runs: list[Run], n_column: str
) -> None:
    centre = point(content.centre, content.target.n_tokens)
    learnt = [run for run in content.learnt if cost_flops(run, n_column) is not None] or runs
    costs = [cost for run in learnt if (cost := cost_flops(run, n_column)) is not None]
    start: dict[str, float] = {}
    for name in ("n_params", "n_params_body", "n_tokens"):
        values = [value for run in learnt if (value := column_of(run, name)) is not None]
        if len(values) == len(learnt):
            start[name] = math.exp(float(np.mean(np.log(values))))
    band = growth_band(content.posteriors, centre, start, min(costs))
    add_band(figure, band, name="predicted, this shape", unit="nats/token")
    reach = max(posterior.max_cost_flops for posterior in content.posteriors)
    end = float(band.at[-1])
    if end > reach * 1.001:
        figure.add_vrect(x0=reach, x1=end, fillcolor=faded(GREY, 0.10), line_width=0, layer="below")
        figure.add_annotation(
            x=math.log10(math.sqrt(reach * end)), y=1, yref="paper", yanchor="top", showarrow=False,
            text=f"{end / reach:.3g}× beyond<br>the costliest run", font={"size": 12},
        )  # fmt: skip


def _add_runs(figure: go.Figure, runs: list[Run], purpose: str, n_column: str) -> None:
    label, symbol, colour = _PURPOSES.get(purpose, (f"purpose: {purpose}", "x", GREY))
    losses = [float(run.loss_nats or 0.0) for run in runs]
    errors = [run.loss_stderr or 0.0 for run in runs]
    marker: dict[str, Any] = {"symbol": symbol, "color": colour, "size": 9}
    if purpose == "check":
        marker = {**MEASURED, "color": colour}
    figure.add_scatter(
        x=[cost_flops(run, n_column) for run in runs],
        y=losses,
        error_y=bars(
            losses,
            [a - b for a, b in zip(losses, errors, strict=True)],
            [a + b for a, b in zip(losses, errors, strict=True)],
            faded(colour, 0.6),
        ),
        mode="markers",
        marker=marker,
        name=escape(label),
        text=[_hover(run) for run in runs],
        hovertemplate="%{text}<extra></extra>",
    )


def _add_target(figure: go.Figure, content: ReportContent, n_column: str) -> None:
    chosen = content.chosen
    if chosen is None or (loss := chosen["loss_nats"]) is None:
        return
    cost = 6.0 * getattr(content.centre, n_column) * float(chosen["n_tokens"])
    figure.add_scatter(
        x=[cost],
        y=[loss["p50"]],
        error_y=bars([loss["p50"]], [loss["p05"]], [loss["p95"]], VERMILLION),
        mode="markers",
        marker=dict(RECOMMENDED),
        name="recommended, predicted (90 %)",
        hovertemplate=f"{shape_label(content.centre)}<br>%{{y:.4f}} nats/token<extra></extra>",
    )


def _hover(run: Run) -> str:
    shape = "" if run.architecture is None else f"<br>{shape_label(run.architecture)}"
    return f"<b>{escape(run.run_id)}</b>{shape}<br>{run.loss_nats:.4f} nats/token"
