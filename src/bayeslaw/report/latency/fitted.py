"""Timings beside what was predicted of them, and what is left by feature."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.models.latency.features import feature_names, shape_features
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    apply_style,
    bars,
    faded,
    log_ticks,
    tidy,
)
from bayeslaw.report.latency.left_out import TimedRows
from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency import LATENCY_COLUMNS

FIGURE_TITLES = {
    "ttft_ms": "First token, TTFT",
    "forward_ms": "One forward pass",
    "tpot_ms": "Each later token, TPOT",
    "e2el_ms": "Whole request",
}
"""What each latency figure is, for an axis."""

_MARKS = {
    "ttft_ms": (BLUE, "circle"), "forward_ms": (BLUE, "square"),
    "tpot_ms": (GREEN, "diamond"), "e2el_ms": (VERMILLION, "cross"),
}  # fmt: skip
_MAX_MARKS = 1500
_PANELS_A_ROW = 3


def figures_of(table: LatencyTable) -> list[str]:
    """Return the latency figures that a table has, in the order of `FIGURE_TITLES`."""
    return [name for name in FIGURE_TITLES if name in table.labels["figure"]]


def fitted_figure(surrogate: LatencySurrogate, timed: TimedRows) -> go.Figure:
    """Draw measured over predicted latency, a panel a figure, with 90 % intervals of a timing."""
    names = figures_of(surrogate.table)
    figure = make_subplots(rows=1, cols=len(names), horizontal_spacing=0.11)
    apply_style(figure, 430)
    for column, name in enumerate(names, start=1):
        rows = shown_rows(surrogate.table, name)
        found = {key: values[rows] for key, values in timed.quantiles.items()}
        measured = timed.measured_ms[rows]
        x, low, high = (tidy(found[key]) for key in ("p50", "p05", "p95"))
        ends = [float(min(*low, *measured)) / 1.1, float(max(*high, *measured)) * 1.1]
        figure.add_scatter(
            x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot", "width": 1.3},
            name="predicted = measured", hoverinfo="skip", showlegend=column == 1,
            row=1, col=column,
        )  # fmt: skip
        is_inside = timed.is_inside[rows]
        for inside, colour, label in ((True, BLUE, "inside 90 %"), (False, VERMILLION, "outside")):
            at = np.flatnonzero(is_inside == inside)
            middle, lower, upper = ([values[i] for i in at] for values in (x, low, high))
            figure.add_scatter(
                x=middle,
                y=tidy(measured[at]),
                error_x=bars(middle, lower, upper, faded(colour, 0.4)),
                mode="markers",
                marker={"color": colour, "size": 7, "symbol": "circle" if inside else "x"},
                name=label,
                legendgroup=label,
                showlegend=column == 1,
                text=[surrogate.table.describe(int(rows[i])) for i in at],
                hovertemplate="%{text}<br>predicted %{x:.4g} ms, timed %{y:.4g} ms<extra></extra>",
                row=1,
                col=column,
            )  # fmt: skip
        ticks = log_ticks(ends[0], ends[1])
        title = FIGURE_TITLES[name]
        figure.update_xaxes(
            type="log", title=f"{title}: predicted [ms]", **ticks, row=1, col=column
        )
        figure.update_yaxes(type="log", title=f"{title}: measured [ms]", **ticks, row=1, col=column)
    return figure


def residual_figure(surrogate: LatencySurrogate, timed: TimedRows) -> go.Figure:
    """Draw what is left of each timing against every feature that varies; a trend was not learnt."""
    table = surrogate.table
    features, names = shape_features(table), feature_names(table)
    n_fixed = len(names) - len(table.extras)
    shown = [k for k in range(len(names)) if np.ptp(features[:, k]) > 0]
    n_rows = max(-(-len(shown) // _PANELS_A_ROW), 1)
    figure = make_subplots(
        rows=n_rows, cols=_PANELS_A_ROW, shared_yaxes=True, horizontal_spacing=0.03,
        vertical_spacing=0.2 / n_rows,
    )  # fmt: skip
    apply_style(figure, 70 + 230 * n_rows)
    percent = 100 * np.expm1(timed.log_error)
    for place, k in enumerate(shown):
        where = {"row": place // _PANELS_A_ROW + 1, "col": place % _PANELS_A_ROW + 1}
        # Features are doublings; axes show what was counted.
        values = 2 ** features[:, k] if k < n_fixed else features[:, k]
        for name in figures_of(table):
            rows = shown_rows(table, name)
            colour, symbol = _MARKS[name]
            figure.add_scatter(
                x=tidy(values[rows]), y=tidy(percent[rows]), mode="markers",
                marker={"color": faded(colour, 0.75), "symbol": symbol, "size": 6},
                name=FIGURE_TITLES[name], legendgroup=name, showlegend=place == 0,
                hovertemplate="%{x:.4g}: %{y:+.2f} %<extra></extra>", **where,
            )  # fmt: skip
        kind = "log" if k < n_fixed else "linear"
        title = f"{names[k]} {_unit(names[k])}"
        figure.update_xaxes(type=kind, title=title, row=where["row"], col=where["col"])
    figure.update_yaxes(zeroline=True, zerolinecolor=GREY, zerolinewidth=1.5)
    figure.update_yaxes(title="Measured over predicted,<br>less 1 [%]", col=1)
    return figure


def _unit(name: str) -> str:
    if name in ("gqa_group", "mlp_width_ratio"):
        return "[ratio]"
    return f"[{LATENCY_COLUMNS[name].unit}]" if name in LATENCY_COLUMNS else ""


def shown_rows(table: LatencyTable, figure: str) -> np.ndarray:
    """Return the rows of a figure that are drawn: all, or some evenly over the table."""
    rows = np.flatnonzero(np.array(table.labels["figure"]) == figure)
    if len(rows) <= _MAX_MARKS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MAX_MARKS).astype(int)]
