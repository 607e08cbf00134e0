"""Every figure of a diagnosis, with its title and caption, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from bayeslaw.models.loss import Posterior
from bayeslaw.models.loss.checks import Diagnosis
from bayeslaw.report.diagnostics.chains import (
    forest_figure,
    pair_figure,
    rank_figure,
    trace_figure,
)
from bayeslaw.report.diagnostics.checks import (
    coverage_figure,
    fitted_figure,
    influence_figure,
    pit_figure,
    predictive_figure,
)
from bayeslaw.report.diagnostics.curves import (
    flops_figure,
    isoflop_figure,
    shape_figure,
    size_figure,
)


@dataclass(frozen=True)
class Figure:
    """Hold a figure with what is said of it.

    Attributes:
        name: Stable: ``loo_pit``.
        title: Above it.
        caption: Below it.
        drawn: The figure itself.
    """

    name: str
    title: str
    caption: str
    drawn: go.Figure


def diagnostic_figures(posterior: Posterior, diagnosis: Diagnosis) -> list[Figure]:
    """Return the figures that this posterior and its checks can fill.

    Chains are drawn where there are several, and coverage where rolling origins were fitted.
    """
    loo, rolling = diagnosis.leave_one_out, diagnosis.rolling
    has_chains = posterior.n_chains > 1
    wanted: list[tuple[str, str, str, Callable[[], go.Figure | None]]] = [
        (
            "coverage",
            "Coverage against distance",
            "Fits to the cheaper runs predicted the dearer ones. Runs beyond one origin share the form's error, so "
            "the points say less than their binomial bands do.",
            lambda: None if rolling is None else coverage_figure(rolling),
        ),
        (
            "predicted_measured",
            "Predicted against measured",
            "Fitted runs lie close because the law saw them; open marks were not seen by the fit that predicted them.",
            lambda: fitted_figure(posterior, rolling),
        ),
        (
            "loo_pit",
            "Leave-one-out calibration",
            "A right fit gives a flat line. An S that falls first has intervals too wide, one that rises first too narrow.",
            lambda: pit_figure(loo),
        ),
        (
            "posterior_predictive",
            "Posterior predictive",
            "Losses of tables that the model would have made, and those observed.",
            lambda: predictive_figure(posterior),
        ),
        (
            "pareto_k",
            "Runs that pull",
            "Pareto k of leaving each run out: above the line the fit would be another one without it.",
            lambda: influence_figure(posterior, loo),
        ),
        (
            "loss_flops",
            "Loss against training cost",
            "The band is the mean curve's, the form's own error included; runs at other tokens per weight lie off it.",
            lambda: flops_figure(posterior),
        ),
        (
            "loss_size",
            "Loss against size",
            "The band is at the runs' middle number of tokens; colour says how many a run saw.",
            lambda: size_figure(posterior),
        ),
        (
            "isoflop",
            "Equal training cost",
            "Along a curve tokens make up for size. The mark is the best size, with its 90 % interval; "
            "at the edge it says only that the best lies there or beyond.",
            lambda: isoflop_figure(posterior),
        ),
        (
            "shape",
            "What shape does",
            "Each panel moves one input and holds the others at the runs' middle.",
            lambda: shape_figure(posterior),
        ),
        (
            "forest",
            "What the runs taught",
            "Coefficients in their own coordinates: inside the grey band is what was believed before any run.",
            lambda: forest_figure(posterior, diagnosis.confounding.width_left),
        ),
        (
            "pair",
            "Coefficients against each other",
            "A narrow diagonal means that the runs tell a combination, and not each.",
            lambda: pair_figure(posterior) if len(posterior) > 1 else None,
        ),
        (
            "trace",
            "Traces",
            "Chains should be indistinguishable and without trend.",
            lambda: trace_figure(posterior) if has_chains else None,
        ),
        (
            "rank",
            "Ranks",
            "Each chain should have every rank equally often, about the dotted line.",
            lambda: rank_figure(posterior) if has_chains else None,
        ),
    ]
    figures = []
    for name, title, caption, draw in wanted:
        if (drawn := draw()) is not None:
            figures.append(Figure(name, title, caption, drawn))
    return figures
