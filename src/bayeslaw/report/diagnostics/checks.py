"""How the fit sits on its runs and on dearer ones."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.checks import (
    LeaveOneOut,
    RollingOrigins,
    coverage_by_distance,
    uniform_band,
)
from bayeslaw.models.loss.posterior_groups import run_names
from bayeslaw.models.loss.replicates import replicates
from bayeslaw.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    VERMILLION,
    bars,
    faded,
    new_figure,
    tidy,
)

_N_REPLICATES = 40
_BINS = 48


def predictive_figure(posterior: Posterior) -> go.Figure:
    """Draw the distribution of observed losses over those of tables made by the model."""
    observed = posterior.fitted["loss_nats"]
    made = replicates(posterior)
    made = made[
        np.arange(min(len(made), _N_REPLICATES)) * len(made) // min(len(made), _N_REPLICATES)
    ]
    figure = new_figure()
    for i, losses in enumerate((*made, observed)):
        is_real = i == len(made)
        figure.add_scatter(
            x=tidy(np.sort(losses)),
            y=tidy((np.arange(len(losses)) + 0.5) / len(losses)),
            mode="lines",
            line={"shape": "hv", "width": 2.4 if is_real else 0.8,
                  "color": VERMILLION if is_real else faded(BLUE, 0.35)},
            name="observed" if is_real else "made by the model",
            legendgroup=str(is_real),
            showlegend=is_real or i == 0,
            hoverinfo="skip",
        )  # fmt: skip
    figure.update_xaxes(title="Loss [nats per token]")
    figure.update_yaxes(title="Share of runs below")
    return figure


def pit_figure(loo: LeaveOneOut) -> go.Figure:
    """Draw the distribution of LOO-PIT less the uniform's, with the band a right fit stays in."""
    pit = np.sort(loo.pit[loo.pareto_k <= loo.max_k])
    figure = new_figure()
    at = np.linspace(0, 1, 101)
    lower, upper = uniform_band(len(pit), at)
    figure.add_scatter(
        x=tidy(np.concatenate([at, at[::-1]])),
        y=tidy(np.concatenate([upper - at, (lower - at)[::-1]])),
        fill="toself",
        fillcolor=faded(GREY, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        name="a right fit leaves this band once in 300",
    )
    steps = np.searchsorted(pit, at, side="right") / len(pit)
    figure.add_scatter(
        x=tidy(at),
        y=tidy(steps - at),
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 2.2},
        name="these runs",
        hovertemplate="%{x:.2f}: %{y:+.3f}<extra></extra>",
    )
    figure.update_xaxes(title="Leave-one-out probability of a lower loss (LOO-PIT)", range=[0, 1])
    figure.update_yaxes(title="Share of runs below, less the uniform's")
    return figure


def influence_figure(posterior: Posterior, loo: LeaveOneOut) -> go.Figure:
    """Draw each run's Pareto k against its loss: above the line, one run decides."""
    figure = new_figure()
    names = [str(name) for name in run_names(posterior)]
    is_finite = np.isfinite(loo.pareto_k)
    figure.add_scatter(
        x=tidy(posterior.fitted["loss_nats"][is_finite]),
        y=tidy(loo.pareto_k[is_finite]),
        mode="markers",
        marker={"size": 7, "color": np.where(loo.pareto_k[is_finite] > loo.max_k, VERMILLION, BLUE)
                .tolist()},
        text=[name for name, keep in zip(names, is_finite, strict=True) if keep],
        hovertemplate="<b>%{text}</b><br>loss %{x:.4f} nats/token, k %{y:.2f}<extra></extra>",
        showlegend=False,
    )  # fmt: skip
    figure.add_hline(
        y=loo.max_k, line={"color": VERMILLION, "dash": "dash"}, annotation_text="pulls too hard"
    )
    figure.update_xaxes(title="Loss [nats per token]")
    figure.update_yaxes(title="Pareto k of leaving the run out")
    return figure


def coverage_figure(rolling: RollingOrigins) -> go.Figure:
    """Draw the share of 90 % intervals that held against how much dearer the run was."""
    found = coverage_by_distance(rolling)
    middle = [float(np.sqrt(b.low_ratio * b.high_ratio)) for b in found]
    share = [b.share for b in found]
    figure = new_figure()
    figure.add_hline(y=0.9, line={"color": GREY, "dash": "dash"}, annotation_text="promised: .90")
    figure.add_scatter(
        x=middle,
        y=share,
        error_y=bars(share, [b.lower for b in found], [b.upper for b in found], BLUE, 2),
        mode="markers+lines",
        marker={"size": 10, "color": BLUE},
        line={"color": faded(BLUE, 0.5)},
        name="held, with a 90 % binomial band",
        text=[f"{b.low_ratio:.2g} to {b.high_ratio:.2g} times: {b.n} predictions" for b in found],
        hovertemplate="%{text}<br>%{y:.0%} held<extra></extra>",
    )
    figure.update_xaxes(type="log", title="Cost of the run / costliest run fitted [ratio]")
    figure.update_yaxes(title="Share held by the 90 % interval", range=[0, 1.04])
    return figure


def fitted_figure(posterior: Posterior, rolling: RollingOrigins | None) -> go.Figure:
    """Draw what was measured over what was predicted, for fitted runs and dearer ones."""
    figure = new_figure()
    observed = posterior.fitted["loss_nats"]
    predicted = np.median(posterior.losses(posterior.fitted), axis=0)
    names = [str(name) for name in run_names(posterior)]
    ends = [
        float(min(observed.min(), predicted.min())),
        float(max(observed.max(), predicted.max())),
    ]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot"}, name="equal",
        hoverinfo="skip",
    )  # fmt: skip
    groups = [("fitted", BLUE, "circle", predicted, np.arange(len(observed)))]
    if rolling is not None:
        ahead = observed[rolling.run] / np.exp(rolling.log_error)
        groups.append(("predicted from cheaper runs", GREEN, "diamond-open", ahead, rolling.run))
    for name, colour, symbol, at, rows in groups:
        figure.add_scatter(
            x=tidy(at),
            y=tidy(observed[rows]),
            mode="markers",
            marker={"size": 7, "color": colour, "symbol": symbol},
            name=name,
            text=[names[row] for row in rows],
            hovertemplate="<b>%{text}</b><br>predicted %{x:.4f}, measured %{y:.4f}<extra></extra>",
        )
    figure.update_xaxes(title="Predicted loss [nats per token]")
    figure.update_yaxes(title="Measured loss [nats per token]")
    return figure
