"""Proper scores of draws of log loss against what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats


def score(draws: np.ndarray, observed: np.ndarray) -> dict[str, float]:
    """Return the scores of one split, all in log loss.

    Args:
        draws: Of one new run at each held-out row, ``(draw, row)``.
        observed: ``(row,)``.
    """
    low, q25, median, q75, high = np.quantile(draws, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    error = median - observed
    outside = np.maximum(low - observed, 0) + np.maximum(observed - high, 0)
    order = np.nan
    if len(observed) > 2 and np.ptp(median) > 0:
        order = float(np.corrcoef(stats.rankdata(median), stats.rankdata(observed))[0, 1])
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "spearman": order,
        "coverage50": float(((q25 <= observed) & (observed <= q75)).mean()),
        "coverage90": float(((low <= observed) & (observed <= high)).mean()),
        "crps": float(crps(draws, observed).mean()),
        "interval_score90": float((high - low + 2 / 0.1 * outside).mean()),
        "width90": float((high - low).mean()),
        "bias": float(error.mean()),
    }


def crps(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of each row, ``(row,)``.

    >>> crps(np.array([[0.0], [1.0]]), np.array([0.0]))
    array([0.25])
    """
    ordered = np.sort(draws, axis=0)
    n = len(ordered)
    weights = (2 * np.arange(1, n + 1) - n - 1) / n**2
    return np.abs(draws - observed).mean(axis=0) - (weights[:, None] * ordered).sum(axis=0)


def mean_scores(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the splits of a table; NaN only where all are."""
    means = {}
    for name in parts[0]:
        values = np.array([part[name] for part in parts], float)
        known = values[np.isfinite(values)]
        means[name] = float(known.mean()) if len(known) else float("nan")
    return means


DISTANCES = ((2, 5), (5, 10), (10, 20))
"""Bands of cost over the costliest fitted run's."""


def held_by_distance(
    draws: np.ndarray, observed: np.ndarray, cost_ratios: np.ndarray
) -> dict[str, float]:
    """Return the share that 90 % intervals hold in each band of `DISTANCES`; NaN where none is."""
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    held = (low <= observed) & (observed <= high)
    found = {}
    for nearest, furthest in DISTANCES:
        band = held[(cost_ratios >= nearest) & (cost_ratios < furthest)]
        found[f"coverage90_{nearest}_{furthest}x"] = float(band.mean()) if len(band) else np.nan
    return found


SAME_COST = 1.28
"""Rows whose costs differ by less than this factor are of one cost."""


def pairs_held(draws: np.ndarray, observed: np.ndarray, log_cost: np.ndarray) -> float:
    """Return the share of differences between rows of one cost that their 90 % intervals hold.

    Args:
        draws: ``(draw, row)``, joint over rows.
        observed: ``(row,)``.
        log_cost: ``(row,)``.

    Returns:
        NaN where no two rows are of one cost.
    """
    left, right = np.triu_indices(len(observed), 1)
    near = np.abs(log_cost[left] - log_cost[right]) < np.log(SAME_COST)
    left, right = left[near], right[near]
    if not len(left):
        return float("nan")
    low, high = np.quantile(draws[:, left] - draws[:, right], [0.05, 0.95], axis=0)
    difference = observed[left] - observed[right]
    return float(((low <= difference) & (difference <= high)).mean())


def pool(
    tables: Mapping[str, Mapping[str, Any]], *, baseline: str = "chinchilla_huber"
) -> dict[str, dict[str, Any]]:
    """Return every method's means over tables, and ratios to a baseline as geometric means.

    Args:
        tables: ``family`` and ``methods`` (scores by method) of each.
        baseline: Whose CRPS and interval score are 1.
    """
    pooled = {}
    methods = {m for table in tables.values() for m in table["methods"]}
    for method in sorted(methods):
        rows = [table["methods"][method] for table in tables.values() if method in table["methods"]]
        bases = [t["methods"][baseline] for t in tables.values() if method in t["methods"]]
        families = [t["family"] for t in tables.values() if method in t["methods"]]
        pooled[method] = {
            **mean_scores(rows),
            "n_tables": len(rows),
            "worst_coverage90": min(row["coverage90"] for row in rows),
            "crps_ratio": _ratio(rows, bases, "crps"),
            "interval_score_ratio": _ratio(rows, bases, "interval_score90"),
            "coverage90_ci": _by_family([row["coverage90"] for row in rows], families),
            "crps_ratio_ci": np.exp(
                _by_family([np.log(r["crps"] / b["crps"]) for r, b in zip(rows, bases, strict=True)],
                           families)
            ).tolist(),
        }  # fmt: skip
    return pooled


def _ratio(rows: Sequence[Mapping], bases: Sequence[Mapping], name: str) -> float:
    return float(
        np.exp(np.mean([np.log(r[name] / b[name]) for r, b in zip(rows, bases, strict=True)]))
    )


def _by_family(values: Sequence[float], families: Sequence[str]) -> list[float]:
    """Return a 90 % interval of the mean over tables, by a bootstrap of families."""
    rng = np.random.default_rng(0)
    names = sorted(set(families))
    by_name = {n: [v for v, f in zip(values, families, strict=True) if f == n] for n in names}
    means = [
        np.mean([value for name in rng.choice(names, len(names)) for value in by_name[name]])
        for _ in range(4000)
    ]
    return np.quantile(means, [0.05, 0.95]).tolist()
