"""From what methods did to the benchmark's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.digital_twin.trace import Trace

EDGES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)
"""Of the bins of predicted probability; most candidates are almost certainly not the best."""


def pool(
    by_truth: Mapping[str, Mapping[str, Trace]], budgets: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Pool methods over truths.

    Args:
        by_truth: Truth to method to trace; a method may be missing from some truths.
        budgets: Truth to GPU-hours: what a method that never got there is censored at.

    Returns:
        Method to ``gpu_hours`` (mean over its truths, restricted to the budget), ``success_rate``,
        ``ratio_to_ours`` (of restricted means, over truths that both have; above 1 is slower),
        its 90 % interval over resampled truths, ``budget_share`` and ``n_truths``.

    >>> trace = Trace(steps=[{"hours": 2.0, "n_runs": 8, "chosen": 0, "regret": 0.5}])
    >>> pool({"a": {"ours": trace}}, {"a": 10.0})["ours"]["gpu_hours"]
    2.0
    """
    methods = dict.fromkeys(m for traces in by_truth.values() for m in traces)
    found = {}
    for method in methods:
        truths = [t for t, traces in by_truth.items() if method in traces]
        stays = [by_truth[t][method].hours_to_stay(budgets[t]) for t in truths]
        hours = np.array([h for h, _ in stays])
        paired = [t for t in truths if "ours" in by_truth[t]]
        theirs = np.array([by_truth[t][method].hours_to_stay(budgets[t])[0] for t in paired])
        ours = np.array([by_truth[t]["ours"].hours_to_stay(budgets[t])[0] for t in paired])
        found[method] = {
            "gpu_hours": float(hours.mean()),
            "success_rate": float(np.mean([ok for _, ok in stays])),
            "ratio_to_ours": float(theirs.mean() / ours.mean()) if paired else None,
            "ratio_interval": _interval(theirs, ours) if len(paired) > 1 else None,
            "budget_share": float(np.mean(hours / [budgets[t] for t in truths])),
            "n_truths": len(truths),
            "seconds": float(np.mean([by_truth[t][method].seconds for t in truths])),
        }
    return found


def _interval(theirs: np.ndarray, ours: np.ndarray) -> list[float]:
    rng = np.random.default_rng(0)
    rows = rng.integers(len(ours), size=(2000, len(ours)))
    ratios = theirs[rows].mean(axis=1) / ours[rows].mean(axis=1)
    return np.quantile(ratios, [0.05, 0.95]).tolist()


def reliability(traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """Return how often what was predicted came true, bin by bin.

    ``of`` is ``p_pareto`` (every target candidate in every recommendation) or ``p_best`` (of the
    one chosen).
    """
    bins = []
    for name, (predicted, true, n_zero, true_zero) in _told(traces).items():
        for low, high in pairwise(EDGES):
            last = high == EDGES[-1]
            inside = (predicted >= low) & ((predicted < high) | last)
            n, hits, total = int(inside.sum()), float(true[inside].sum()), predicted[inside].sum()
            if low == 0.0:
                n, hits = n + n_zero, hits + true_zero
            if n:
                bins.append(
                    {
                        "of": name,
                        "low": low,
                        "high": high,
                        "predicted": float(total / n),
                        "observed": hits / n,
                        "n": n,
                    }
                )
    return bins


def calibration(traces: Sequence[Trace]) -> dict[str, dict[str, float | None]]:
    """Return Brier score, its skill over the base rate, and the slope of truth on prediction.

    A slope of 1 is calibrated, below 1 overconfident; None where all came out, or were predicted, alike.
    """
    found = {}
    for name, (told, true, n_zero, true_zero) in _told(traces).items():
        predicted = np.concatenate([told, np.zeros(n_zero)])
        came = np.concatenate([true, np.arange(n_zero) < true_zero]).astype(float)
        brier = float(((predicted - came) ** 2).mean())
        base = float(came.mean() * (1 - came.mean()))
        spread = predicted - predicted.mean()
        found[name] = {
            "brier": brier,
            "skill": 1 - brier / base if base else None,
            "slope": float(spread @ came / (spread @ spread)) if spread.any() else None,
            "mean_predicted": float(predicted.mean()),
            "observed": float(came.mean()),
            "n": len(came),
        }
    return found


def _told(
    traces: Sequence[Trace],
) -> dict[str, tuple[np.ndarray, np.ndarray, int, int]]:
    """Return predictions and truths, with how many predictions of nearly 0 were not kept."""
    forecasts = [forecast for trace in traces for forecast in trace.forecasts]
    if not forecasts:
        return {}
    return {
        "p_pareto": (
            np.concatenate([f["p_pareto"] for f in forecasts]),
            np.concatenate([f["is_pareto"] for f in forecasts]).astype(bool),
            sum(f["n_untold"] for f in forecasts),
            sum(f["n_pareto_untold"] for f in forecasts),
        ),
        "p_best": (
            np.array([f["p_best_chosen"] for f in forecasts]),
            np.array([f["is_best_chosen"] for f in forecasts]),
            0,
            0,
        ),
    }
