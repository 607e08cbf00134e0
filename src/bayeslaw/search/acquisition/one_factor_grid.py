"""P1's own plan: a few sizes, and at each one factor of the shape varied at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.design_point import DesignPoint, feature
from bayeslaw.search.acquisition.problem import Acquisition, Problem

FACTORS = ("aspect_ratio", "mlp_attention_ratio")
LEVELS = (0.05, 0.275, 0.725, 0.95)
"""Quantiles of a factor among candidates of the size; the middle of all is the centre."""

SIZE_STEPS = (3.67, 1.92, 1.0)
"""The largest size over each size of the plan: P1 fits 80M, 145M and 297M (laws.md, 1.2)."""


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return how close each candidate is to the plan's next point.

    Sizes rise; at each the centre comes first, then the width (over depth) varies with all else in
    the middle, then MLP over attention. Tokens a weight are the target's, else the pool's middle. After the last
    point the plan begins again, at the candidates that are left.

    Source:
        Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, section 5: ablations of one factor with
        the others fixed, 100 tokens a weight at every size.
    """
    place = problem.n_done + problem.n_pending + len(taken)
    per_size = 1 + len(FACTORS) * len(LEVELS)
    step = SIZE_STEPS[place // per_size % len(SIZE_STEPS)]
    return _point(problem, step, place % per_size).closeness(problem)


def _point(problem: Problem, step: float, place: int) -> DesignPoint:
    candidates = slice(0, problem.n_candidates)
    sizes, tokens = feature(problem, "n_params_body"), feature(problem, "n_tokens")
    asked = problem.target if problem.n_target else np.arange(problem.n_candidates)
    per_weight = float(np.median(tokens[asked] - sizes[asked]))
    # The largest size is one that the pool has at that many tokens a weight.
    is_alike = np.abs(tokens[candidates] - sizes[candidates] - per_weight) < 0.5
    within = sizes[candidates][is_alike] if is_alike.any() else sizes[candidates]
    size = float(within.max()) - np.log2(step)
    near = np.abs(sizes[candidates] - size)
    is_of_size = near <= near.min() + 0.2
    log2 = {"n_params_body": size, "n_tokens": size + per_weight}
    for name in (*FACTORS, "gqa_group"):
        log2[name] = float(np.median(feature(problem, name)[candidates][is_of_size]))
    if place:
        factor, level = divmod(place - 1, len(LEVELS))
        values = feature(problem, FACTORS[factor])[candidates][is_of_size]
        log2[FACTORS[factor]] = float(np.quantile(values, LEVELS[level]))
    return DesignPoint(log2)


ONE_FACTOR_GRID = Acquisition(
    name="one_factor_grid",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="one factor of the shape at a time, at three sizes",
    needs_target=True,
)
