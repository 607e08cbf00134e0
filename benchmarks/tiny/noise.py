"""The noise floor: how far losses of one shape and budget differ by their seed alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from bayeslaw.errors import NotEnoughRunsError
from benchmarks.tiny.effects import interval
from benchmarks.tiny.mixed import Component, fit_mixed
from benchmarks.tiny.suite import Suite, one_hot, same


def noise_floor(suite: Suite, *, seed: int = 0) -> dict[str, Any]:
    """Return the sd of loss between seeds, and how the points of one trunk go together.

    Args:
        suite: The points; shapes with several trunks are the repeats.
        seed: Of the draws.

    Returns:
        Pooled sd at each budget and each size with 90 % chi-square intervals, in nats and in log
        loss; the correlation of points of one trunk given their shape; what share of
        ``loss_stderr`` is not noise between runs.

    Raises:
        NotEnoughRunsError: No shape has two trunks.
    """
    trunks_of = {s: len(np.unique(suite.trunk[suite.shape == s])) for s in np.unique(suite.shape)}
    repeated = suite.select(np.array([trunks_of[s] > 1 for s in suite.shape]))
    if not len(repeated):
        raise NotEnoughRunsError(
            "no shape was trained with two seeds, so the table says nothing of seed noise"
        )
    by_budget = [
        {"tokens_per_param": suite.budgets[b], **_pooled(repeated, repeated.budget == b)}
        for b in np.unique(repeated.budget)
    ]
    by_size = [
        {"n_params_body": suite.size_label(s), **_pooled(repeated, repeated.size == s)}
        for s in np.unique(repeated.size)
    ]
    figures: dict[str, Any] = {
        "n_repeated_shapes": len(np.unique(repeated.shape)),
        "n_trunks": len(np.unique(repeated.trunk)),
        "by_tokens_per_param": by_budget,
        "by_size_trunk_means": by_size,
        "trunk_correlation": _correlation(repeated, seed),
    }
    if "loss_stderr" in suite.table:
        figures["text_sampling"] = _text_sampling(repeated)
    return figures


def _deviations(suite: Suite, values: np.ndarray) -> np.ndarray:
    """Return values minus the mean of their shape and budget."""
    groups = np.unique(np.column_stack([suite.shape, suite.budget]), axis=0, return_inverse=True)[1]
    groups = groups.reshape(-1)
    means = np.bincount(groups, values) / np.bincount(groups)
    return values - means[groups]


def _pooled(suite: Suite, rows: np.ndarray) -> dict[str, Any]:
    """Return the pooled sd between trunks of one shape, of the mean of each trunk's points."""
    some = suite.select(rows)
    result: dict[str, Any] = {}
    for name, values in (("nats", some.table["loss_nats"]), ("log_loss", some.log_loss)):
        away = _deviations(some, values)
        trunks = np.unique(some.trunk)
        means = np.array([away[some.trunk == t].mean() for t in trunks])
        freedom = len(trunks) - len(np.unique(some.shape))
        total = float((means**2).sum())
        low, high = (np.sqrt(total / stats.chi2.ppf(q, freedom)) for q in (0.95, 0.05))
        result[name] = {
            "low": float(low),
            "sd": float(np.sqrt(total / freedom)),
            "high": float(high),
        }
    return {"degrees_of_freedom": freedom, **result}


def _correlation(suite: Suite, seed: int) -> dict[str, Any]:
    """Return the correlation of two points of a trunk, given their shape's mean loss there."""
    groups = suite.shape * len(suite.budgets) + suite.budget
    fit = fit_mixed(
        suite.log_loss,
        one_hot(groups),
        [Component("seed", same(suite.trunk)), Component("point", np.eye(len(suite)))],
        seed=seed,
    )
    between, within = fit.sds["seed"] ** 2, fit.sds["point"] ** 2
    away = _deviations(suite, suite.log_loss)
    n_budgets = len(suite.budgets)
    matrix = np.full((n_budgets, n_budgets), np.nan)
    for i in range(n_budgets):
        for j in range(n_budgets):
            first = {
                t: v for t, v, b in zip(suite.trunk, away, suite.budget, strict=True) if b == i
            }
            other = {
                t: v for t, v, b in zip(suite.trunk, away, suite.budget, strict=True) if b == j
            }
            both = sorted(set(first) & set(other))
            x, y = np.array([first[t] for t in both]), np.array([other[t] for t in both])
            if len(both) > 2:
                matrix[i, j] = (x @ y) / np.sqrt((x @ x) * (y @ y))
    return {
        "correlation": interval(between / (between + within)),
        "trunk_sd_log_loss": interval(fit.sds["seed"]),
        "point_sd_log_loss": interval(fit.sds["point"]),
        "by_pair_of_budgets": [
            [None if np.isnan(v) else round(float(v), 3) for v in row] for row in matrix
        ],
    }


def _text_sampling(suite: Suite) -> dict[str, Any]:
    """Return how much of loss_stderr two runs have in common.

    Losses of two seeds differ by seed noise and by what of the text's sampling error they do not
    share, so their variance bounds the latter from above.
    """
    away = _deviations(suite, suite.table["loss_nats"])
    freedom = len(away) - len(np.unique(suite.shape * len(suite.budgets) + suite.budget))
    # Points of one trunk go together, so the interval has the trunks' degrees of freedom.
    trunks = len(np.unique(suite.trunk)) - len(np.unique(suite.shape))
    variance = float((away**2).sum()) / freedom
    stated = float((suite.table["loss_stderr"] ** 2).mean())
    shares = {
        name: float(max(0.0, 1 - variance * trunks / stats.chi2.ppf(q, trunks) / stated))
        for name, q in (("low", 0.05), ("high", 0.95))
    }
    return {
        "loss_stderr_nats": stated**0.5,
        "sd_between_seeds_nats": variance**0.5,
        "shared_share_of_variance_at_least": {
            **shares, "estimate": max(0.0, 1 - variance / stated)
        },
    }  # fmt: skip
