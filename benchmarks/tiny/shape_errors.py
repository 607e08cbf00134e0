"""How far a law's errors on larger sizes are shared by all shapes, and how far they are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeslaw import fit_law
from bayeslaw.models.loss.corpus import corpus_prior
from benchmarks.tiny.effects import interval
from benchmarks.tiny.laws import CANDIDATES, Forecast, forecast_of
from benchmarks.tiny.mixed import Component, fit_mixed
from benchmarks.tiny.suite import Suite, one_hot, same

_LEAST_SIZES = 3


def shape_errors(
    suite: Suite,
    label: str,
    *,
    noise: dict[str, Any] | None = None,
    n_fitted: Sequence[int] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Return how a law's errors beyond the sizes it saw split into shared and shape-specific.

    The law is fitted to the sizes up to s, for each s from the third smallest on, and predicts the
    larger ones. Errors of log loss are

        e ~ N(0, V_law + t_shared^2 min(d, d') + [one shape] (s_level^2 + t_shape^2 sqrt(d d'))
              + [one trunk] s_seed^2 + [one point] s_point^2),   d = log(C / C_max) or 0,

    which is the library's discrepancy with a shape-specific part beside the shared one.

    Args:
        suite: The points.
        label: Row of `CANDIDATES`.
        noise: ``trunk_correlation`` of `noise_floor`: centres the priors of seed and point noise.
        n_fitted: How many sizes to fit, one cut each; from three on when left out.
        seed: Of the draws.

    Returns:
        For each s: per size (the fitted ones too, at distance 0) the mean error, its sd under the
        law, and the sd of shape-specific error; and, over all larger sizes, t_shared, t_shape,
        s_level and the shape-specific share of the discrepancy's variance.
    """
    cuts = []
    for n in n_fitted or range(min(_LEAST_SIZES, suite.n_sizes - 1), suite.n_sizes):
        fitted = suite.size < n
        posterior = fit_law(
            CANDIDATES[label], suite.table.select(fitted), method="laplace", seed=seed
        )
        found = forecast_of(posterior, suite, np.arange(len(suite)), seed=seed)
        cuts.append(
            {
                "fitted_up_to": suite.size_label(n - 1),
                "n_sizes_fitted": n,
                "n_shapes_predicted": len(np.unique(suite.shape[~fitted])),
                **_growth(suite, found, ~fitted, noise, seed),
                "sizes": [
                    _one_size(suite, found, size, size < n, noise, seed)
                    for size in range(suite.n_sizes)
                ],
            }
        )
    return {"law": label, "tau_of_public_tables": corpus_prior().tau_median, "cuts": cuts}


def _errors(suite: Suite, found: Forecast) -> np.ndarray:
    return suite.log_loss[found.rows] - np.median(found.curve, axis=0)


def _growth(
    suite: Suite, found: Forecast, rows: np.ndarray, noise: dict[str, Any] | None, seed: int
) -> dict[str, Any]:
    some = suite.select(rows)
    error = _errors(suite, found)[rows]
    curves = found.curve[:, rows]
    distance = np.maximum(found.distance[rows], 0.0)
    shape = same(some.shape)
    root = np.sqrt(distance)
    fit = fit_mixed(
        error,
        np.empty((len(some), 0)),
        [
            Component("tau_shared", np.minimum.outer(distance, distance), 0.008),
            Component("shape_level", shape, 0.005),
            Component("tau_shape", shape * np.outer(root, root), 0.004),
            *_noise_components(some, noise),
        ],
        known=np.cov(curves.T),
        seed=seed,
    )
    share = fit.sds["tau_shape"] ** 2 / (fit.sds["tau_shape"] ** 2 + fit.sds["tau_shared"] ** 2)
    return {
        "log_cost_distance": [float(distance.min()), float(distance.max())],
        "tau_shared": interval(fit.sds["tau_shared"]),
        "tau_shape": interval(fit.sds["tau_shape"]),
        "shape_level_sd": interval(fit.sds["shape_level"]),
        "shape_specific_share": interval(share),
        "n_effective": fit.n_effective,
    }


def _one_size(
    suite: Suite,
    found: Forecast,
    size: int,
    is_fitted: bool,
    noise: dict[str, Any] | None,
    seed: int,
) -> dict[str, Any]:
    """Return a size's shared error, and the spread of its shapes around that at each budget."""
    rows = suite.size == size
    some = suite.select(rows)
    error = _errors(suite, found)[rows]
    shapes, counts = np.unique(some.shape, return_counts=True)
    # Each shape counts once, however often it was repeated.
    weights = 1 / counts[np.searchsorted(shapes, some.shape)] / len(shapes)
    of_law = found.curve[:, rows] @ weights
    result: dict[str, Any] = {
        "n_params_body": suite.size_label(size),
        "is_fitted": is_fitted,
        "n_shapes": len(shapes),
        "log_cost_distance": float(np.maximum(found.distance[rows], 0.0) @ weights),
        "mean_error": float(error @ weights),
        "mean_error_sd_of_law": float(of_law.std()),
        "rms_error": float(np.sqrt((error**2) @ weights)),
        "shape_sd": None,
    }
    if len(shapes) >= 3:
        fit = fit_mixed(
            error,
            one_hot(some.budget),
            [Component("shape", same(some.shape), 0.005), *_noise_components(some, noise)],
            seed=seed,
        )
        result["shape_sd"] = interval(fit.sds["shape"])
    return result


def _noise_components(suite: Suite, noise: dict[str, Any] | None) -> list[Component]:
    """Return seed and point noise, with priors as wide as what the repeats left open."""
    found = {"seed": (0.003, 1.0), "point": (0.002, 1.0)}
    if noise is not None:
        for name, key in (("seed", "trunk_sd_log_loss"), ("point", "point_sd_log_loss")):
            low, middle, high = (noise[key][k] for k in ("low", "median", "high"))
            # A 90 % interval is 3.29 sds wide.
            found[name] = (middle, max(float(np.log(high / low)) / 3.29, 0.05))
    return [
        Component("seed", same(suite.trunk), *found["seed"]),
        Component("point", np.eye(len(suite)), *found["point"]),
    ]
