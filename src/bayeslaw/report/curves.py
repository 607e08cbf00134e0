"""What the posteriors believe along a line through the candidates, for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss import Posterior
from bayeslaw.runs import Run, architecture_columns
from bayeslaw.space import Architecture

N_POINTS = 97
_DRAWS_PER_LAW = 1000
_LEVELS = {"p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True)
class Band:
    """Hold quantiles of the predicted loss along a line.

    Attributes:
        at: Where on the line ``(point,)``.
        quantiles: ``p05``, ``p25``, ``p50``, ``p75``, ``p95``, each ``(point,)``.
    """

    at: np.ndarray
    quantiles: Mapping[str, np.ndarray]


def column_of(run: Run, name: str) -> float | None:
    """Return one of a run's columns, derived from its shape where it has one."""
    if name == "n_tokens":
        return float(run.n_tokens)
    if run.architecture is not None:
        return float(getattr(run.architecture, name))
    return run.columns.get(name)


def cost_flops(run: Run, n_column: str) -> float | None:
    """Return ``6 N D`` of a run [FLOP], None where its N is not counted that way."""
    n = column_of(run, n_column)
    return None if n is None else 6.0 * n * float(run.n_tokens)


def point(architecture: Architecture, n_tokens: float) -> dict[str, float]:
    """Return every column of one candidate."""
    columns = architecture_columns([architecture])
    return {
        **{name: float(values[0]) for name, values in columns.items()},
        "n_tokens": float(n_tokens),
    }


def shape_band(
    posteriors: Sequence[Posterior], centre: Mapping[str, float], name: str, at: np.ndarray,
    *, relative: bool = False,
) -> Band:  # fmt: skip
    """Predict loss while one shape column moves and all others stay at the centre.

    Args:
        posteriors: Equally believed.
        centre: Every column of the candidate in the middle.
        name: The column that moves.
        at: Its values ``(point,)``.
        relative: Whether to return the difference to the centre, draw by draw, so that errors
            that all architectures share cancel.
    """
    moved = np.append(at, centre[name])
    losses = pooled_losses(posteriors, {**_repeat(centre, len(moved)), name: moved})
    curves = losses[:, :-1] - losses[:, -1:] if relative else losses[:, :-1]
    return _band(at, curves)


def growth_band(
    posteriors: Sequence[Posterior], centre: Mapping[str, float], start: Mapping[str, float],
    lowest_cost: float,
) -> Band:  # fmt: skip
    """Predict the loss of the centre's shape as it grows from the runs' size to its own.

    N and D move along a straight line in logarithms from ``start`` (extended down to
    ``lowest_cost``) to ``centre``; ratios of shape stay.

    Args:
        posteriors: Equally believed; the first says how N is counted.
        centre: Every column of the candidate at the target.
        start: ``n_params``, ``n_params_body`` and ``n_tokens`` of a typical run.
        lowest_cost: Where the line begins, ``6 N D`` [FLOP].
    """
    n_column = posteriors[0].n_column
    log_cost = [np.log(6.0 * at[n_column] * at["n_tokens"]) for at in (start, centre)]
    span = log_cost[1] - log_cost[0]
    first = (np.log(lowest_cost) - log_cost[0]) / span if abs(span) > 1e-9 else 0.0
    share = np.linspace(min(first, 0.0), 1.0, N_POINTS)
    columns = _repeat(centre, N_POINTS)
    for name, value in start.items():
        columns[name] = np.exp(np.log(value) + share * (np.log(centre[name]) - np.log(value)))
    losses = pooled_losses(posteriors, columns)
    return _band(6.0 * columns[n_column] * columns["n_tokens"], losses)


def pooled_losses(posteriors: Sequence[Posterior], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return loss without run-to-run noise, equally many draws a law ``(draw, point)``."""
    parts = []
    for posterior in posteriors:
        losses = posterior.losses(columns)
        parts.append(losses[np.arange(_DRAWS_PER_LAW) * len(losses) // _DRAWS_PER_LAW])
    return np.concatenate(parts)


def _repeat(values: Mapping[str, float], n_points: int) -> dict[str, np.ndarray]:
    return {name: np.full(n_points, value) for name, value in values.items()}


def _band(at: np.ndarray, curves: np.ndarray) -> Band:
    found = np.quantile(curves, list(_LEVELS.values()), axis=0)
    return Band(at=at, quantiles=dict(zip(_LEVELS, found, strict=True)))
