"""Where timings sit under the roofline, and what their time goes into."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bayeslaw.models.latency import CONSTANTS, LatencySurrogate
from bayeslaw.models.latency.bounds import PARTS, LatencyBounds
from bayeslaw.models.latency.roofline import PHASES, RIDGE_SHARPNESS
from bayeslaw.report.curves import Band
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    add_band,
    apply_style,
    new_figure,
    tidy,
)
from bayeslaw.report.latency.fitted import FIGURE_TITLES, figures_of, shown_rows
from bayeslaw.runs import LatencyTable

_N_POINTS = 80
_LEVELS = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_MARKS = {
    "ttft_ms": (VERMILLION, "circle"), "forward_ms": (VERMILLION, "square"),
    "tpot_ms": (GREEN, "diamond"), "e2el_ms": (GREY, "cross"),
}  # fmt: skip
_PARTS = {
    "weights": (BLUE, ""), "kv_cache": (BLUE, "/"), "compute": (VERMILLION, ""),
    "activations": (GREEN, ""), "links": (GREEN, "/"), "overhead": (GREY, ""),
}  # fmt: skip
_MAX_CASES = 16
_NAMES = [constant.name for constant in CONSTANTS]


def roofline_figure(surrogate: LatencySurrogate, bounds: LatencyBounds) -> go.Figure:
    """Draw every timing's rate over its intensity, under what is sustained and the ceilings."""
    table, intensity = surrogate.table, bounds.placement.intensity
    rate = achieved_flops_per_second(table)
    at = np.geomspace(intensity.min() / 2, intensity.max() * 2, _N_POINTS)
    figure = new_figure(470)
    add_band(figure, _sustained(surrogate, at), name="sustained, median", unit="FLOP/s")
    placed, is_guessed = bounds.placement, surrogate.process.layout.ceilings.is_guessed
    figure.add_scatter(
        x=tidy(at),
        y=tidy(np.minimum(placed.peak_flops_per_second, at * placed.bytes_per_second)),
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 2},
        name="ceilings, guessed" if is_guessed else "ceilings of the datasheet",
        hovertemplate="ceiling at %{x:.3g} FLOP/byte: %{y:.3g} FLOP/s<extra></extra>",
    )
    for name in figures_of(table):
        rows = shown_rows(table, name)
        colour, symbol = _MARKS[name]
        figure.add_scatter(
            x=tidy(intensity[rows]),
            y=tidy(rate[rows]),
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 7},
            name=FIGURE_TITLES[name],
            text=[table.describe(int(row)) for row in rows],
            hovertemplate="%{text}<br>%{x:.3g} FLOP/byte, %{y:.3g} FLOP/s<extra></extra>",
        )
    figure.update_xaxes(
        type="log", title="Arithmetic intensity, weights and cache [FLOP/byte]",
        exponentformat="power",
    )  # fmt: skip
    figure.update_yaxes(type="log", title="Rate of one device [FLOP/s]", exponentformat="power")
    return figure


def achieved_flops_per_second(table: LatencyTable) -> np.ndarray:
    """Return the arithmetic that each timing did a second on one device, ``(row,)`` [FLOP/s]."""
    flops = sum(
        table[f"{phase}_passes"]
        * (table[f"{phase}_gemm_flops"] + table[f"{phase}_attention_flops"])
        for phase in PHASES
    )
    return np.asarray(flops) / (table["latency_ms"] / 1e3 * table["n_devices"])


def bounds_figure(surrogate: LatencySurrogate, bounds: LatencyBounds) -> go.Figure:
    """Draw the share of each part in the time of some cases, fastest on top."""
    table = surrogate.table
    names = figures_of(table)
    chosen = {name: _spread_cases(table, name) for name in names}
    n_bars = sum(len(rows) for rows in chosen.values())
    figure = make_subplots(
        rows=len(names), cols=1, subplot_titles=[FIGURE_TITLES[name] for name in names],
        row_heights=[len(chosen[name]) + 2 for name in names], shared_xaxes=True,
        vertical_spacing=0.12 / len(names),
    )  # fmt: skip
    apply_style(figure, 150 + 22 * n_bars + 40 * len(names))
    figure.update_layout(
        barmode="stack", margin={"t": 80}, legend={"y": 1.0, "yref": "container", "yanchor": "top"}
    )
    for place, name in enumerate(names, start=1):
        rows = chosen[name]
        labels = [_case(table, int(row)) for row in rows]
        for part in PARTS:
            colour, pattern = _PARTS[part]
            share = bounds.shares[part]
            low, high = (tidy(100 * values[rows]) for key, values in share.items() if key != "mean")
            figure.add_bar(
                y=labels, x=tidy(100 * share["mean"][rows]), orientation="h", name=part,
                legendgroup=part, showlegend=place == 1,
                marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.35}},
                customdata=[list(ends) for ends in zip(low, high, strict=True)],
                hovertemplate=f"%{{y}}: {part} %{{x:.1f}} % "
                "[%{customdata[0]:.1f}, %{customdata[1]:.1f}]<extra></extra>",
                row=place, col=1,
            )  # fmt: skip
        figure.update_xaxes(range=[0, 100], row=place, col=1)
        figure.update_yaxes(autorange="reversed", row=place, col=1)
    figure.update_xaxes(title="Share of the time [%]", row=len(names), col=1)
    return figure


def _spread_cases(table: LatencyTable, figure: str) -> np.ndarray:
    """Return rows of different cases of a figure, evenly from the fastest to the slowest."""
    rows = np.flatnonzero(np.array(table.labels["figure"]) == figure)
    first = {_case(table, int(row)): int(row) for row in rows[::-1]}
    ordered = np.array(sorted(first.values(), key=lambda row: table["latency_ms"][row]))
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, _MAX_CASES).astype(int))]


def _case(table: LatencyTable, row: int) -> str:
    load = [f"{table[name][row]:g}" for name in ("batch_size", "prompt_tokens", "output_tokens")]
    return escape(f"{table.labels['model'][row]}, {load[0]} x {load[1]} + {load[2]}")


def _sustained(surrogate: LatencySurrogate, at: np.ndarray) -> Band:
    """Return the rate that learnt constants allow, without overheads."""
    logs = surrogate.process.values().log_constants.numpy()
    compute, memory = (
        np.exp(logs[:, _NAMES.index(name), None]) for name in ("matmul_rate", "weight_rate")
    )
    p = RIDGE_SHARPNESS
    rates = (compute**-p + (memory * at) ** -p) ** (-1 / p)
    found = np.quantile(rates, list(_LEVELS.values()), axis=0)
    return Band(at=at, quantiles=dict(zip(_LEVELS, found, strict=True)))
