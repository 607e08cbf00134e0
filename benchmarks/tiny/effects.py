"""Whether shape matters: a regression of log loss in which trunks and seeds have their own errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.tiny.design import Base, Scaled, build_design, errors
from benchmarks.tiny.mixed import MixedFit, fit_mixed
from benchmarks.tiny.suite import FACTORS, Suite

_LEVEL = 0.9
_SURE = 0.05
# Six interactions are looked at for no reason but to look: Bonferroni.
_SURE_OF_SIX = _SURE / 6
_N_BOOTSTRAP = 400


def shape_effects(
    suite: Suite, *, seed: int = 0, base: Base = "cells", interactions: bool = False
) -> dict[str, Any]:
    """Return the effect of each factor in nats, with intervals that know of trunks and seeds.

    Log loss is a flexible mean of size and tokens, plus quadratics in log aspect ratio and log
    MLP-to-attention ratio, a line in log2 of the GQA group, lines in the heads' total width and in
    head size (nuisances), plus four errors: of a shape, of a shape as tokens grow, of a trunk
    (seed), of a point.

    Args:
        suite: The points.
        seed: Of the draws.
        base: How size and tokens enter.
        interactions: Whether each factor's effect may change with size and with tokens.

    Returns:
        Per factor: the range covered; loss at the low and the high end minus loss in the middle
        (geometric) of the range [nats]; the joint F test of its terms; for a quadratic the best
        value within the range; a verdict. And the errors' sds in log loss. With interactions,
        per factor how those differences change from the smallest to the largest size and from the
        fewest to the most tokens a weight.
    """
    design, columns, scales = build_design(suite, base, interactions)
    fit = fit_mixed(suite.log_loss, design, errors(suite), seed=seed)
    n_shapes = len(np.unique(suite.shape))
    n_between = sum(len(c) for name, c in columns.items() if ":tokens" not in name)
    freedom = max(3, n_shapes - suite.n_sizes - 1 - n_between)
    figures: dict[str, Any] = {
        "base": base,
        "n_points": len(suite),
        "n_shapes": n_shapes,
        "n_trunks": len(np.unique(suite.trunk)),
        "degrees_of_freedom": freedom,
        "loss_scale_nats": suite.loss_scale,
        "error_sds_log_loss": {name: interval(draws) for name, draws in fit.sds.items()},
        "n_effective": fit.n_effective,
        "factors": {
            name: _factor(name, fit, columns, scales[name], suite.loss_scale, freedom)
            for name in FACTORS
            if name in columns
        },
    }
    residual = suite.log_loss - design @ np.median(fit.effects, axis=0)
    for name, factor in figures["factors"].items():
        factor["curve"] = _curve(fit, columns[name], scales[name], suite, residual)
    if interactions:
        figures["interactions"] = {
            name: {
                over: _interaction(fit, columns[f"{name}:{over}"], suite.loss_scale, freedom)
                for over in ("size", "tokens")
            }
            for name in FACTORS
            if name in columns
        }
    return figures


def bootstrap_effects(suite: Suite, *, seed: int = 0, n_draws: int = _N_BOOTSTRAP) -> dict:
    """Return the same differences by least squares on shapes drawn again, size by size.

    A cross-check that assumes no error model; with ten shapes a size its intervals are somewhat
    narrow.
    """
    design, columns, _ = build_design(suite, "cells", False)
    rng = np.random.default_rng([seed, 11])
    shapes_of = {s: np.unique(suite.shape[suite.size == s]) for s in range(suite.n_sizes)}
    rows_of = {int(s): np.flatnonzero(suite.shape == s) for s in np.unique(suite.shape)}
    coefficients = np.empty((n_draws, design.shape[1]))
    for i in range(n_draws):
        drawn = [rng.choice(shapes, len(shapes)) for shapes in shapes_of.values()]
        rows = np.concatenate([rows_of[int(s)] for s in np.concatenate(drawn)])
        # A draw may repeat too few shapes to tell all terms; least squares then shrinks them.
        coefficients[i] = np.linalg.lstsq(design[rows], suite.log_loss[rows], rcond=1e-8)[0]
    result = {}
    for name in FACTORS:
        if name in columns:
            low, high = (suite.loss_scale * end for end in _ends(coefficients[:, columns[name]]))
            result[name] = {
                "low_end_minus_middle_nats": interval(low),
                "high_end_minus_middle_nats": interval(high),
            }
    return result


def interval(draws: np.ndarray, level: float = _LEVEL) -> dict[str, float]:
    """Return median and central interval of draws."""
    tail = (1 - level) / 2
    low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
    return {"low": float(low), "median": float(middle), "high": float(high)}


def _ends(effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the low end minus the middle and the high end minus the middle, each ``(draw,)``."""
    slope = effects[:, 0]
    bend = effects[:, 1] if effects.shape[1] == 2 else 0.0
    return bend - slope, bend + slope


def _factor(
    name: str,
    fit: MixedFit,
    columns: Mapping[str, list[int]],
    scale: Scaled,
    loss: float,
    freedom: int,
) -> dict[str, Any]:
    draws = fit.effects[:, columns[name]]
    low, high = (loss * end for end in _ends(draws))
    p_value = joint_p_value(draws, freedom)
    largest = np.maximum(np.abs(low), np.abs(high))
    figures: dict[str, Any] = {
        "range": [scale.low, scale.high],
        "low_end_minus_middle_nats": interval(low),
        "high_end_minus_middle_nats": interval(high),
        "p_value": p_value,
        "at_most_nats": float(np.quantile(largest, 0.95)),
        "verdict": "matters" if p_value < _SURE else "undecidable at this scale",
    }
    if draws.shape[1] == 2:
        figures["optimum"] = _optimum(draws, scale)
        figures["curvature_nats"] = interval(loss * draws[:, 1])
    return figures


def _curve(
    fit: MixedFit,
    columns: list[int],
    scale: Scaled,
    suite: Suite,
    residual: np.ndarray,
) -> dict[str, Any]:
    """Return the fitted curve and each shape's partial residual, in nats, for a picture."""
    grid = np.linspace(-1.0, 1.0, 25)
    draws = suite.loss_scale * fit.effects[:, columns]
    low, middle, high = np.quantile(
        draws @ np.stack([grid, grid**2])[: len(columns)], [0.05, 0.5, 0.95], axis=0
    )
    shapes = np.unique(suite.shape)
    rows = [suite.shape == s for s in shapes]
    at = np.array([scale.values[r][0] for r in rows])
    own = np.array([suite.loss_scale * residual[r].mean() for r in rows])
    curve = {"x": scale.back(grid), "low": low, "median": middle, "high": high}
    points = {"x": scale.back(at), "nats": np.interp(at, grid, middle) + own}
    return {
        "line": {key: values.round(6).tolist() for key, values in curve.items()},
        "shapes": {key: values.round(6).tolist() for key, values in points.items()},
    }


def _optimum(draws: np.ndarray, scale: Scaled) -> dict[str, Any]:
    """Return the best value within the range covered; each draw of a quadratic has one."""
    slope, curve = draws.T
    inner = np.where(curve > 0, -slope / np.where(curve > 0, 2 * curve, 1.0), -2 * np.sign(slope))
    best = np.clip(inner, -1.0, 1.0)
    low, high = np.quantile(best, [0.05, 0.95])
    if low > -1 and high < 1:
        verdict = "inside the range"
    elif (best == -1).mean() > 0.95:
        verdict = "at or below the low end"
    elif (best == 1).mean() > 0.95:
        verdict = "at or above the high end"
    else:
        verdict = "undecidable at this scale"
    return {
        **interval(scale.back(best)),
        "probability_of_a_minimum_inside": float(((curve > 0) & (np.abs(inner) < 1)).mean()),
        "verdict": verdict,
    }


def _interaction(fit: MixedFit, columns: list[int], loss: float, freedom: int) -> dict[str, Any]:
    """Return how a factor's differences change from one end of size or tokens to the other."""
    draws = fit.effects[:, columns]
    low, high = (2 * loss * end for end in _ends(draws))
    p_value = joint_p_value(draws, freedom)
    return {
        "low_end_change_nats": interval(low),
        "high_end_change_nats": interval(high),
        "p_value": p_value,
        "verdict": "changes" if p_value < _SURE_OF_SIX else "undecidable at this scale",
    }


def joint_p_value(draws: np.ndarray, freedom: int) -> float:
    """Return the probability of terms so far from zero if all of them were: an F test."""
    mean, covariance = draws.mean(axis=0), np.atleast_2d(np.cov(draws.T))
    statistic = float(mean @ np.linalg.solve(covariance, mean)) / len(mean)
    return float(stats.f.sf(statistic, len(mean), freedom))
