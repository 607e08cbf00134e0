"""What the draws look like: trace, rank, forest, pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from scipy import stats

from bayeslaw.models.loss import Posterior
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    apply_style,
    faded,
    new_figure,
    tidy,
)

_CHAINS = (BLUE, VERMILLION, GREEN, GREY)
_N_SHOWN = 400
_N_PAIRED = 200
_N_RANK_BINS = 20


def unknowns(posterior: Posterior) -> dict[str, np.ndarray]:
    """Return coefficients and scales by name, those that vary, ``(draw,)``."""
    named = {**posterior.draws, **posterior.scales}
    return {name: values for name, values in named.items() if np.ptp(values) > 0}


def axis_title(posterior: Posterior, name: str) -> str:
    """Return an unknown's name with its unit."""
    units = {
        "tau": "log loss / √log cost",
        "rho": "log loss / √log(D/N)",
        "growth": "1 / log(D/N)",
        "run_share": "share",
    }
    for coefficient in posterior.law.coefficients:
        if coefficient.name == name:
            unit = coefficient.unit or ("nats/token" if coefficient.kind == "floor" else "")
            return f"{name} [{unit}]" if unit else name
    return f"{name} [{units.get(name, 'log loss')}]"


def trace_figure(posterior: Posterior) -> go.Figure:
    """Draw every unknown against the draw's number, a colour a chain."""
    named = unknowns(posterior)
    figure = _grid(posterior, list(named))
    for i, values in enumerate(named.values()):
        for chain, draws in enumerate(_chains(posterior, values)):
            at = np.arange(0, len(draws), max(len(draws) // _N_SHOWN, 1))
            figure.add_scatter(
                x=at.tolist(),
                y=tidy(draws[at]),
                mode="lines",
                line={"width": 0.8, "color": _CHAINS[chain % len(_CHAINS)]},
                opacity=0.75,
                name=f"chain {chain + 1}",
                legendgroup=str(chain),
                showlegend=i == 0,
                hovertemplate="draw %{x}: %{y:.4g}<extra></extra>",
                **_at(i),
            )
        figure.update_xaxes(title="Draw", **_at(i))
    return figure


def rank_figure(posterior: Posterior) -> go.Figure:
    """Draw how each chain's ranks among all draws spread; even bars are good.

    Source:
        Vehtari et al. (2021), Bayesian Analysis 16(2), section 4.2.
    """
    named = unknowns(posterior)
    figure = _grid(posterior, list(named), titles=list(named))
    edges = np.linspace(0.5, len(posterior) + 0.5, _N_RANK_BINS + 1)
    for i, values in enumerate(named.values()):
        ranks = stats.rankdata(values)
        for chain, draws in enumerate(_chains(posterior, ranks)):
            counts = np.histogram(draws, edges)[0]
            figure.add_scatter(
                x=tidy((edges[1:] + edges[:-1]) / 2),
                y=counts.tolist(),
                mode="lines",
                line={"shape": "hvh", "width": 1.5, "color": _CHAINS[chain % len(_CHAINS)]},
                name=f"chain {chain + 1}",
                legendgroup=str(chain),
                showlegend=i == 0,
                hovertemplate="ranks near %{x:.0f}: %{y} draws<extra></extra>",
                **_at(i),
            )
        even = len(posterior) / posterior.n_chains / _N_RANK_BINS
        figure.add_hline(y=even, line={"color": GREY, "dash": "dot", "width": 1}, **_at(i))
        figure.update_xaxes(title="Rank among all draws", **_at(i))
        figure.update_yaxes(title="Draws [count]", rangemode="tozero", **_at(i))
    return figure


def forest_figure(posterior: Posterior, width_left: dict[str, float]) -> go.Figure:
    """Draw each coefficient's 50 % and 90 % interval, in prior standard deviations.

    Zero is the prior's middle and the grey band its central 90 %, so what the runs taught is seen
    at once, whatever the coefficient's unit.
    """
    law = posterior.law
    reference = law.log_reference(posterior.fitted, posterior.fitted["loss_nats"])
    z = law.to_unconstrained(posterior.draws, reference)
    names = list(law.coefficient_names)
    figure = new_figure(160 + 34 * len(names))
    ends = float(stats.norm.ppf(0.95))
    figure.add_vrect(x0=-ends, x1=ends, fillcolor=faded(GREY, 0.14), line_width=0, layer="below")
    for low, high, width in ((0.05, 0.95, 2), (0.25, 0.75, 6)):
        bounds = np.quantile(z, [low, high], axis=0)
        for name, left, right in zip(names, *bounds, strict=True):
            figure.add_scatter(
                x=tidy(np.array([left, right])),
                y=[name, name],
                mode="lines",
                line={"color": BLUE, "width": width},
                name=f"{high - low:.0%} interval",
                legendgroup=str(width),
                showlegend=name == names[0],
                hoverinfo="skip",
            )
    figure.add_scatter(
        x=tidy(np.median(z, axis=0)),
        y=names,
        mode="markers",
        marker={"color": VERMILLION, "size": 9},
        name="median",
        text=[
            f"{name}: {np.median(posterior.draws[name]):.4g}, {width_left[name]:.0%} of the prior's "
            f"width is left"
            for name in names
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_xaxes(title="Prior standard deviations from the prior's middle (grey: its 90 %)")
    figure.update_yaxes(autorange="reversed", title="Coefficient")
    return figure


def pair_figure(posterior: Posterior) -> go.Figure:
    """Draw every coefficient against every other: narrow diagonals are confounded."""
    named = unknowns(posterior)
    names = [name for name in posterior.law.coefficient_names if name in named]
    n_shown = min(len(posterior), _N_PAIRED)
    kept = np.arange(n_shown) * len(posterior) // n_shown
    n = len(names) - 1
    figure = make_subplots(
        rows=n, cols=n, shared_xaxes=True, shared_yaxes=True,
        horizontal_spacing=0.012, vertical_spacing=0.012,
    )  # fmt: skip
    apply_style(figure, max(120 * n, 420))
    for row in range(n):
        for column in range(row + 1):
            across, up = names[column], names[row + 1]
            figure.add_scatter(
                x=tidy(named[across][kept]), y=tidy(named[up][kept]), mode="markers",
                marker={"size": 2.5, "color": faded(BLUE, 0.5)}, showlegend=False,
                hoverinfo="skip", row=row + 1, col=column + 1,
            )  # fmt: skip
    for i in range(n):
        across, up = names[i], names[i + 1]
        kind = _axis_type(named[across])
        figure.update_xaxes(type=kind, showticklabels=False, col=i + 1)
        figure.update_xaxes(title=axis_title(posterior, across), row=n, col=i + 1)
        figure.update_yaxes(type=_axis_type(named[up]), showticklabels=False, row=i + 1)
        figure.update_yaxes(title=axis_title(posterior, up), row=i + 1, col=1)
    figure.update_layout(font={"size": 11})
    return figure


def _axis_type(values: np.ndarray) -> str:
    """Return ``log`` for what spans decades, such as A."""
    is_wide = (values > 0).all() and values.max() > 30 * values.min()
    return "log" if is_wide else "linear"


def _chains(posterior: Posterior, values: np.ndarray) -> np.ndarray:
    return values.reshape(posterior.n_chains, -1)


def _grid(posterior: Posterior, names: list[str], titles: list[str] | None = None) -> go.Figure:
    n_rows = math.ceil(len(names) / 2)
    figure = make_subplots(
        rows=n_rows,
        cols=2,
        subplot_titles=titles,
        vertical_spacing=min(0.32 / n_rows, 0.2),
        horizontal_spacing=0.13,
    )
    apply_style(figure, 120 + 190 * n_rows)
    if titles is None:
        for i, name in enumerate(names):
            figure.update_yaxes(title=axis_title(posterior, name), **_at(i))
    return figure


def _at(i: int) -> dict[str, Any]:
    return {"row": i // 2 + 1, "col": i % 2 + 1}
