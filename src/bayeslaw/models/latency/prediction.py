"""Quantiles of latency from equal mixtures of normals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from bayeslaw.models.notes import Note

EXACT_ROWS = 20_000
"""Rows up to which quantiles are exact; beyond, a Student-t with the mixture's moments gives them."""

_N_BISECTIONS = 50


@dataclass(frozen=True)
class LatencyPrediction:
    """Hold intervals of latency.

    Attributes:
        level: Probability between the outer quantiles.
        ttft_ms: Quantile name (``p05``, ``p50``, ``p95`` at level 0.9) to values [ms].
        tpot_ms: The same, per output token [ms].
        notes: Warnings about this prediction.
        e2el_ms: The same, of a whole request: TTFT and every later token [ms].
        tokens_per_second: The same, written by the whole batch over whole requests [1/s].
    """

    level: float
    ttft_ms: Mapping[str, np.ndarray]
    tpot_ms: Mapping[str, np.ndarray]
    notes: tuple[Note, ...]
    e2el_ms: Mapping[str, np.ndarray]
    tokens_per_second: Mapping[str, np.ndarray]


def quantile_names(level: float) -> dict[str, float]:
    """Return names of the lower, middle and upper quantile, with their probabilities.

    >>> quantile_names(0.9)
    {'p05': 0.05, 'p50': 0.5, 'p95': 0.95}
    """
    tails = ((1 - level) / 2, 0.5, (1 + level) / 2)
    return {f"p{round(100 * tail):02d}": round(tail, 12) for tail in tails}


def mixture_quantiles(mean: Tensor, sd: Tensor, tails: list[float]) -> list[Tensor]:
    """Return quantiles of equal mixtures of normals ``(component, row)``, each ``(row,)``.

    Up to `EXACT_ROWS` rows by bisection. Beyond, the Student-t of the mixture's variance and
    kurtosis, within a few percent of the interval's width.
    """
    if mean.shape[1] <= EXACT_ROWS:
        return [_by_bisection(mean, sd, tail) for tail in tails]
    return _by_moments(mean, sd, tails)


def _by_bisection(mean: Tensor, sd: Tensor, tail: float) -> Tensor:
    low = (mean - 12 * sd).min(dim=0).values
    high = (mean + 12 * sd).max(dim=0).values
    for _ in range(_N_BISECTIONS):
        middle = 0.5 * (low + high)
        below = torch.special.ndtr((middle - mean) / sd).mean(dim=0) < tail
        low = torch.where(below, middle, low)
        high = torch.where(below, high, middle)
    return 0.5 * (low + high)


def _by_moments(mean: Tensor, sd: Tensor, tails: list[float]) -> list[Tensor]:
    centre = mean.mean(dim=0)
    apart = mean - centre
    second = (apart**2 + sd**2).mean(dim=0)
    fourth = (apart**4 + 6 * apart**2 * sd**2 + 3 * sd**4).mean(dim=0)
    # A Student-t's excess kurtosis is 6 / (nu - 4).
    excess = (fourth / second**2 - 3).clamp(1e-3, 20.0)
    nu = (4 + 6 / excess).numpy()
    shrink = torch.as_tensor(np.sqrt((nu - 2) / nu))
    grid = np.geomspace(nu.min(), nu.max() * (1 + 1e-9), 64)
    return [
        centre
        + second.sqrt()
        * shrink
        * torch.as_tensor(np.interp(np.log(nu), np.log(grid), stats.t.ppf(tail, grid)))
        for tail in tails
    ]
