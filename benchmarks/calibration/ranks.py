"""Where truths rank among posterior draws, and whether the ranks are uniform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

N_KEPT = 99
"""Draws that a truth is ranked among: 100 ranks, in ten equal bins."""

N_BINS = 10
FAILURE_RATE = 0.01
"""Of the whole run, all laws and quantities together, of a program with exact posteriors."""

_N_NULL = 200_000


def rank(truth: float, draws: np.ndarray) -> int:
    """Return how many of `N_KEPT` evenly spaced draws lie below the truth.

    >>> rank(0.5, np.arange(200) / 200)
    50
    """
    kept = draws[np.arange(N_KEPT) * len(draws) // N_KEPT]
    return int((kept < truth).sum())


def uniformity_p(ranks: Sequence[int]) -> float:
    """Return the p-value of chi-square over ten bins, from 200,000 uniform samples of that size.

    The chi-square table is not to be trusted for a few ranks a bin where Holm looks, at 3e-5.

    >>> uniformity_p(list(range(100)))
    1.0
    """
    found = _statistic(np.bincount(np.asarray(ranks) * N_BINS // (N_KEPT + 1), minlength=N_BINS))
    null = _null(len(ranks))
    return float((1 + len(null) - np.searchsorted(null, found - 1e-9)) / (1 + len(null)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values that may each be held against the failure rate of all, however dependent.

    >>> holm({"a": 0.001, "b": 0.02, "c": 0.8})
    {'a': 0.003, 'b': 0.04, 'c': 0.8}
    """
    adjusted, worst = {}, 0.0
    for i, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        worst = max(worst, min(1.0, (len(p_values) - i) * p_values[name]))
        adjusted[name] = worst
    return {name: adjusted[name] for name in p_values}


def _statistic(counts: np.ndarray) -> np.ndarray:
    return ((counts - counts.sum(axis=-1, keepdims=True) / N_BINS) ** 2).sum(axis=-1)


@lru_cache(maxsize=8)
def _null(n_ranks: int) -> np.ndarray:
    """Return ascending statistics of uniform ranks."""
    rng = np.random.default_rng(n_ranks)
    parts = [
        _statistic(rng.multinomial(n_ranks, np.full(N_BINS, 1 / N_BINS), _N_NULL // 10))
        for _ in range(10)
    ]
    return np.sort(np.concatenate(parts))
