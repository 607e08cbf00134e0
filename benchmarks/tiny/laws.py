"""Which law believes the suite, and which predicts runs that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw import LAWS, Posterior, fit_law
from bayeslaw.models.loss import LossLaw
from bayeslaw.models.loss.noise import new_run_noise
from benchmarks.tiny.effects import interval
from benchmarks.tiny.suite import Suite

CANDIDATES: Mapping[str, LossLaw] = {
    "chinchilla": LAWS["chinchilla"],
    "chinchilla, N of the body": LAWS["chinchilla"].counting("n_params_body"),
    "aspect_ratio_tied": LAWS["aspect_ratio_tied"],
    "aspect_ratio": LAWS["aspect_ratio"],
    "conditional_multiplicative": LAWS["conditional_multiplicative"],
    "conditional_additive": LAWS["conditional_additive"],
}
"""Laws by label: P2's count all weights and P1's the body, so each has a Chinchilla beside it."""

_CHEAP_SHARE = 0.6
_N_FOLDS = 8
_N_BOOTSTRAP = 40
_SHAPE_LETTERS = {"R": "aspect_ratio", "x": "relative_width", "r": "mlp_attention_ratio"}


@dataclass(frozen=True)
class Forecast:
    """Hold what a law fitted to some runs says of others, ``(draw, point)`` in log loss.

    Attributes:
        rows: Points predicted, numbers in the suite.
        curve: Mean curves, without discrepancy.
        narrow: One more run each, without discrepancy.
        wide: One more run each, with it.
        distance: ``log(C / C_max)`` of each point ``(point,)``.
    """

    rows: np.ndarray
    curve: np.ndarray
    narrow: np.ndarray
    wide: np.ndarray
    distance: np.ndarray


def forecast(law: LossLaw, suite: Suite, fitted: np.ndarray, *, seed: int = 0) -> Forecast:
    """Fit a law to the rows of a mask by Laplace and predict all others."""
    posterior = fit_law(law, suite.table.select(fitted), method="laplace", seed=seed)
    rows = np.flatnonzero(~fitted)
    return forecast_of(posterior, suite, rows, seed=seed)


def forecast_of(posterior: Posterior, suite: Suite, rows: np.ndarray, *, seed: int) -> Forecast:
    """Return a posterior's forecast of some rows."""
    table = suite.table.select(rows)
    curve = np.log(posterior.losses(table, discrepancy=False))
    with_discrepancy = np.log(posterior.losses(table))
    rng = np.random.default_rng([seed, 13])
    noise = new_run_noise(posterior.noise_scale(table), rng)
    return Forecast(
        rows=rows,
        curve=curve,
        narrow=curve + noise,
        wide=with_discrepancy + noise,
        distance=posterior.log_cost_distance(table),
    )


def held_out(suite: Suite, *, seed: int = 0) -> dict[str, Any]:
    """Return each law's errors on runs it was not fitted to, three ways of holding out.

    ``dearer_runs``: fitted to the cheaper 60 % by ``6 N D`` (all weights); trunks are in both
    parts. ``larger_sizes``: fitted to the smaller half of the sizes; no trunk is in both.
    ``other_shapes``: eight folds over shapes, all seeds of one together.

    Returns:
        By split and law: points, cost of the costliest over the costliest fitted, mean absolute
        error, root mean square, bias and CRPS in nats, coverage of 50 and 90 % intervals with and
        without the discrepancy, and the mean absolute error minus that of the Chinchilla with the
        same way of counting, with an interval over shapes drawn again.
    """
    cost = suite.table.train_flops
    cheap = np.argsort(np.argsort(cost, kind="stable")) < _CHEAP_SHARE * len(suite)
    shapes = np.random.default_rng([seed, 17]).permutation(suite.shape.max() + 1)
    fold = np.argsort(shapes)[suite.shape] % _N_FOLDS
    splits: dict[str, list[np.ndarray]] = {
        "dearer_runs": [cheap],
        "larger_sizes": [suite.size < suite.n_sizes // 2],
        "other_shapes": [fold != f for f in range(_N_FOLDS)],
    }
    return {name: _split(suite, masks, seed) for name, masks in splits.items()}


def _split(suite: Suite, masks: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    forecasts = {
        label: joined([forecast(law, suite, mask, seed=seed) for mask in masks])
        for label, law in CANDIDATES.items()
    }
    misses = {label: _miss_nats(f, suite) for label, f in forecasts.items()}
    result: dict[str, Any] = {}
    for label, f in forecasts.items():
        scores = score(f, suite)
        baseline = next(
            name
            for name in ("chinchilla", "chinchilla, N of the body")
            if CANDIDATES[name].n_column == CANDIDATES[label].n_column
        )
        if label != baseline:
            gap = np.abs(misses[label]) - np.abs(misses[baseline])
            scores["mae_minus_chinchilla_nats"] = _cluster_mean(gap, suite.shape[f.rows], seed)
        result[label] = scores
    return result


def joined(forecasts: Sequence[Forecast]) -> Forecast:
    """Return forecasts of different points as one."""
    return Forecast(
        rows=np.concatenate([f.rows for f in forecasts]),
        curve=np.concatenate([f.curve for f in forecasts], axis=1),
        narrow=np.concatenate([f.narrow for f in forecasts], axis=1),
        wide=np.concatenate([f.wide for f in forecasts], axis=1),
        distance=np.concatenate([f.distance for f in forecasts]),
    )


def score(found: Forecast, suite: Suite) -> dict[str, Any]:
    """Return errors in nats and coverage of a forecast."""
    truth = suite.log_loss[found.rows]
    miss = _miss_nats(found, suite)
    coverage = {}
    for name, draws in (("with_discrepancy", found.wide), ("without", found.narrow)):
        for level in (50, 90):
            low, high = np.quantile(draws, [0.5 - level / 200, 0.5 + level / 200], axis=0)
            inside = (low <= truth) & (truth <= high)
            coverage[f"within_{level}_{name}"] = float(inside.mean())
    return {
        "n_points": len(truth),
        "n_shapes": len(np.unique(suite.shape[found.rows])),
        "cost_ratio": float(np.exp(found.distance.max())),
        "mae_nats": float(np.abs(miss).mean()),
        "rmse_nats": float(np.sqrt((miss**2).mean())),
        "bias_nats": float(miss.mean()),
        "crps_nats": float(_crps(np.exp(found.wide), np.exp(truth)).mean()),
        "crps_nats_without": float(_crps(np.exp(found.narrow), np.exp(truth)).mean()),
        **coverage,
    }


def _miss_nats(found: Forecast, suite: Suite) -> np.ndarray:
    """Return predicted minus observed loss of each point, by the median curve."""
    return np.exp(np.median(found.curve, axis=0)) - np.exp(suite.log_loss[found.rows])


def _crps(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of each point, from its draws.

    Source:
        Gneiting and Raftery (2007), JASA 102:359, eq. 21: ``E|X - y| - E|X - X'| / 2``.
    """
    ordered = np.sort(draws, axis=0)
    n = len(ordered)
    ranks = 2 * np.arange(1, n + 1) - n - 1
    spread = (ranks[:, None] * ordered).sum(axis=0) / n**2
    return np.abs(ordered - truth).mean(axis=0) - spread


def _cluster_mean(values: np.ndarray, shape: np.ndarray, seed: int) -> dict[str, float]:
    """Return the mean with an interval over shapes drawn again."""
    labels = np.unique(shape)
    sums = np.array([values[shape == s].sum() for s in labels])
    counts = np.array([(shape == s).sum() for s in labels])
    rng = np.random.default_rng([seed, 19])
    drawn = rng.integers(len(labels), size=(1000, len(labels)))
    return {**interval(sums[drawn].sum(1) / counts[drawn].sum(1)), "mean": float(values.mean())}


def fitted_laws(suite: Suite, *, quick: bool = False, seed: int = 0) -> dict[str, Any]:
    """Return each law's coefficients given the whole suite, by the library's own fit.

    The library takes runs for independent. Where a law has shape coefficients, each of those comes
    also with the sd of its logarithm over fits to shapes drawn again: the interval that knows of
    trunks.

    Returns:
        By law: coefficients with 90 % intervals and diagnostics, notes, the residuals' root mean
        square, and what the shape terms do over the range covered, in nats.
    """
    return {
        label: _fitted(law, suite, "laplace" if quick else "nuts", quick, seed)
        for label, law in CANDIDATES.items()
    }


def _fitted(law: LossLaw, suite: Suite, method: Any, quick: bool, seed: int) -> dict[str, Any]:
    posterior = fit_law(law, suite.table, method=method, seed=seed)
    curve = np.log(posterior.losses(suite.table, discrepancy=False))
    residual = suite.log_loss - np.median(curve, axis=0)
    rows = {str(row.pop("name")): row for row in posterior.summary()}
    shape_names = [n for n in law.coefficient_names if n not in ("E", "A", "alpha", "B", "beta")]
    if shape_names and not quick:
        again = _bootstrap(law, suite, shape_names, seed)
        for name in shape_names:
            rows[name]["log_sd"] = float(np.log(posterior.draws[name]).std())
            rows[name]["log_sd_over_shapes"] = float(np.log(again[name]).std(ddof=1))
    return {
        "n_column": law.n_column,
        "method": method,
        "max_rhat": posterior.diagnostics.max_rhat if method == "nuts" else None,
        "divergences": posterior.diagnostics.divergences if method == "nuts" else None,
        "notes": [note.to_dict() for note in posterior.notes],
        "coefficients": rows,
        "residual_rms_log_loss": float(np.sqrt((residual**2).mean())),
        "shape_terms": _shape_terms(posterior, law, suite),
    }


def _bootstrap(
    law: LossLaw, suite: Suite, names: Sequence[str], seed: int
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, 23])
    found: dict[str, list[float]] = {name: [] for name in names}
    rows_of = {int(s): np.flatnonzero(suite.shape == s) for s in np.unique(suite.shape)}
    for _ in range(_N_BOOTSTRAP):
        drawn = [
            rng.choice(shapes, len(shapes))
            for shapes in (np.unique(suite.shape[suite.size == s]) for s in range(suite.n_sizes))
        ]
        rows = np.concatenate([rows_of[int(s)] for s in np.concatenate(drawn)])
        mode = fit_law(law, suite.table.select(rows), method="map", seed=seed)
        for name in names:
            found[name].append(float(mode.draws[name][0]))
    return {name: np.array(values) for name, values in found.items()}


def _shape_terms(posterior: Posterior, law: LossLaw, suite: Suite) -> dict[str, Any]:
    """Return loss at the ends of each shape column's range minus loss in its middle [nats]."""
    middle = {name: np.exp(np.log(suite.table[name]).mean()) for name in law.inputs}
    result: dict[str, Any] = {}
    for name in law.inputs:
        if name not in _SHAPE_LETTERS.values():
            continue
        low, high = float(suite.table[name].min()), float(suite.table[name].max())
        points = np.array([low, np.sqrt(low * high), high])
        losses = posterior.losses({**middle, name: points}, discrepancy=False)
        result[name] = {
            "range": [low, high],
            "low_end_minus_middle_nats": interval(losses[:, 0] - losses[:, 1]),
            "high_end_minus_middle_nats": interval(losses[:, 2] - losses[:, 1]),
        }
    return result
