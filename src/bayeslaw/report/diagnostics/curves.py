"""What the law says along lines through the runs: shape, isoFLOP, FLOPs, size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.evidence import training_cost
from bayeslaw.report.curves import Band
from bayeslaw.report.figures.shape import SHAPES
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    add_band,
    apply_style,
    faded,
    new_figure,
    tidy,
)
from bayeslaw.runs import COLUMNS

_N_POINTS = 61
_LEVELS = {"p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95}
_BUDGETS = ((BLUE, "circle"), (GREEN, "square"), (VERMILLION, "diamond"))
_FURTHER = 4.0  # how many times the costliest run curves go on


def shape_figure(posterior: Posterior) -> go.Figure | None:
    """Draw loss against each input beyond size and tokens, all else at the runs' middle.

    Losses of runs are moved to the middle by the law's own curve, so that what is left of them
    about the band is noise and misfit. None where the law has no such input.
    """
    law = posterior.law
    names = [name for name in law.inputs if name not in (law.n_column, "n_tokens")]
    if not names:
        return None
    figure = make_subplots(rows=1, cols=len(names), shared_yaxes=True, horizontal_spacing=0.05)
    apply_style(figure, 430)
    middle = _middle(posterior)
    here = np.median(posterior.losses(posterior.fitted), axis=0)
    for column, name in enumerate(names, start=1):
        seen = posterior.fitted[name]
        is_log = bool((seen > 0).all())
        at = np.geomspace(seen.min() / 1.2, seen.max() * 1.2, _N_POINTS)
        if not is_log:
            at = np.linspace(seen.min(), seen.max(), _N_POINTS)
        band = _band(posterior, {**_repeat(middle, at), name: at}, at)
        add_band(
            figure, band, name="median", unit="nats/token", show_legend=column == 1,
            row=1, col=column,
        )  # fmt: skip
        moved = {**_repeat(middle, seen), name: seen}
        there = np.median(posterior.losses(moved), axis=0)
        figure.add_scatter(
            x=tidy(seen), y=tidy(posterior.fitted["loss_nats"] * there / here), mode="markers",
            marker={"size": 4, "color": faded(GREY, 0.7)}, name="runs, moved to the middle",
            showlegend=column == 1, hoverinfo="skip", row=1, col=column,
        )  # fmt: skip
        title = SHAPES.get(name, f"{name} [{COLUMNS[name].unit}]")
        kind = "log" if is_log else "linear"
        figure.update_xaxes(type=kind, title=title, row=1, col=column)
    figure.update_yaxes(title="Loss [nats per token]", row=1, col=1)
    return figure


def isoflop_figure(posterior: Posterior) -> go.Figure:
    """Draw loss against size at three budgets, with the best size of each as an interval."""
    figure = new_figure(460)
    cost = training_cost(posterior.law, posterior.fitted)
    size = posterior.fitted[posterior.n_column]
    at = np.geomspace(size.min() / 2, size.max() * 2, _N_POINTS)
    budgets = [*np.quantile(cost, [0.25, 0.75]).tolist(), float(cost.max())]
    for budget, (colour, symbol) in zip(budgets, _BUDGETS, strict=True):
        columns = {**_repeat(_middle(posterior), at), posterior.n_column: at}
        columns["n_tokens"] = budget / (6 * at)
        curves = posterior.losses(columns, discrepancy=False)
        low, middle, high = np.quantile(curves, [0.05, 0.5, 0.95], axis=0)
        label = f"{budget:.2g} FLOP"
        figure.add_scatter(
            x=tidy(np.concatenate([at, at[::-1]])), y=tidy(np.concatenate([high, low[::-1]])),
            fill="toself", fillcolor=faded(colour, 0.15), line={"width": 0}, mode="lines",
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=tidy(at), y=tidy(middle), mode="lines", line={"color": colour, "width": 2},
            name=label, hovertemplate=f"{label}, N %{{x:.3g}}: %{{y:.4f}} nats/token<extra></extra>",
        )  # fmt: skip
        best = at[np.argmin(curves, axis=1)]
        ends = np.quantile(best, [0.05, 0.5, 0.95])
        figure.add_scatter(
            x=tidy(ends), y=[float(middle.min())] * 3, mode="lines+markers",
            line={"color": colour, "width": 1.2, "dash": "dot"},
            marker={"symbol": symbol, "size": [6, 11, 6], "color": colour},
            name=f"best N, 90 %: {ends[0]:.2g} to {ends[2]:.2g}",
            hovertemplate="best N %{x:.3g}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(type="log", title=_size_title(posterior), exponentformat="power")
    figure.update_yaxes(title="Loss at equal training cost [nats per token]")
    return figure


def flops_figure(posterior: Posterior) -> go.Figure:
    """Draw loss against training cost along the runs' usual tokens per weight, and beyond them."""
    figure = new_figure(460)
    cost = training_cost(posterior.law, posterior.fitted)
    at = np.geomspace(cost.min(), cost.max() * _FURTHER, _N_POINTS)
    middle = _middle(posterior)
    scale = np.sqrt(at / (6 * middle[posterior.n_column] * middle["n_tokens"]))
    columns = _repeat(middle, at)
    for name in (posterior.n_column, "n_tokens"):
        columns[name] = middle[name] * scale
    ratio = middle["n_tokens"] / middle[posterior.n_column]
    add_band(
        figure, _band(posterior, columns, at), name=f"at {ratio:.3g} tokens per weight",
        unit="nats/token",
    )  # fmt: skip
    _add_runs(figure, posterior, cost)
    figure.add_vrect(
        x0=float(cost.max()), x1=float(at[-1]), fillcolor=faded(GREY, 0.10), line_width=0,
        layer="below", annotation_text="beyond the runs", annotation_position="top left",
    )  # fmt: skip
    figure.update_xaxes(
        type="log", title=f"Training cost 6 N D [FLOP], N: {_counted(posterior)}",
        exponentformat="power",
    )  # fmt: skip
    figure.update_yaxes(title="Loss [nats per token]")
    return figure


def size_figure(posterior: Posterior) -> go.Figure:
    """Draw loss against size at the runs' usual number of tokens."""
    figure = new_figure(460)
    size = posterior.fitted[posterior.n_column]
    at = np.geomspace(size.min(), size.max() * 2, _N_POINTS)
    middle = _middle(posterior)
    columns = {**_repeat(middle, at), posterior.n_column: at}
    band = _band(posterior, columns, at)
    add_band(figure, band, name=f"at {middle['n_tokens']:.3g} tokens", unit="nats/token")
    _add_runs(figure, posterior, size)
    figure.update_xaxes(type="log", title=_size_title(posterior), exponentformat="power")
    figure.update_yaxes(title="Loss [nats per token]")
    return figure


def _add_runs(figure: go.Figure, posterior: Posterior, x: np.ndarray) -> None:
    tokens = np.log10(posterior.fitted["n_tokens"])
    figure.add_scatter(
        x=tidy(x),
        y=tidy(posterior.fitted["loss_nats"]),
        mode="markers",
        marker={
            "size": 7,
            "color": tidy(tokens),
            "colorscale": "Viridis",
            "colorbar": {"title": {"text": "log10 tokens"}, "thickness": 12},
        },
        name="runs",
        customdata=tidy(posterior.fitted["n_tokens"]),
        hovertemplate="%{x:.3g}: %{y:.4f} nats/token, %{customdata:.3g} tokens<extra></extra>",
    )


def _middle(posterior: Posterior) -> dict[str, float]:
    """Return the geometric mean of the runs in every input; the mean where some are zero."""
    middle = {}
    for name in posterior.law.inputs:
        values = posterior.fitted[name]
        is_positive = (values > 0).all()
        middle[name] = float(np.exp(np.mean(np.log(values))) if is_positive else np.mean(values))
    return middle


def _repeat(middle: Mapping[str, float], at: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.full(len(at), value) for name, value in middle.items()}


def _band(posterior: Posterior, columns: Mapping[str, np.ndarray], at: np.ndarray) -> Band:
    found = np.quantile(posterior.losses(columns), list(_LEVELS.values()), axis=0)
    return Band(at=at, quantiles=dict(zip(_LEVELS, found, strict=True)))


def _counted(posterior: Posterior) -> str:
    return "all weights" if posterior.n_column == "n_params" else "weights without embeddings"


def _size_title(posterior: Posterior) -> str:
    return f"Network size N [count], {_counted(posterior)}"
