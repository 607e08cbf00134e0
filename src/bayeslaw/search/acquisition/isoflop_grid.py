"""A grid of budgets, sizes and shapes: IsoFLOP curves, with P2's shapes on each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.design_point import DesignPoint, feature
from bayeslaw.search.acquisition.problem import Acquisition, Problem

N_BUDGETS = 3
BUDGET_STEP = 4.0
"""Each budget over the one before it."""

SIZE_LEVELS = (0.15, 0.5, 0.85)
SHAPE_LEVELS = (0.1, 0.5, 0.9)
"""Quantiles of size among candidates of the budget, and of width over depth among those of the size."""


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return how close each candidate is to the grid's next point.

    Budgets rise to the dearest that the pool has at three sizes; at each, three sizes share it by
    more or fewer tokens, and each is run wide, middling and deep, with all other features in the
    middle. After the last point the grid begins again, at the candidates that are left.

    Source:
        Hoffmann et al. (2022), arXiv:2203.15556, approach 2 (IsoFLOP); shapes of one size after
        Bian, Yan, Venkataraman (2025), arXiv:2501.18107, section 4.
    """
    place = problem.n_done + problem.n_pending + len(taken)
    shape = place % len(SHAPE_LEVELS)
    size = place // len(SHAPE_LEVELS) % len(SIZE_LEVELS)
    budget = place // (len(SHAPE_LEVELS) * len(SIZE_LEVELS)) % N_BUDGETS
    return _point(problem, budget, SIZE_LEVELS[size], SHAPE_LEVELS[shape]).closeness(problem)


def _point(problem: Problem, budget: int, size_level: float, shape_level: float) -> DesignPoint:
    candidates = slice(0, problem.n_candidates)
    sizes = feature(problem, "n_params_body")[candidates]
    flops = sizes + feature(problem, "n_tokens")[candidates]
    # Not the dearest of all: only the largest size may reach that, and a budget needs several.
    dearest = float(np.quantile(flops, 0.9))
    asked = dearest - (N_BUDGETS - 1 - budget) * np.log2(BUDGET_STEP)
    near = np.abs(flops - asked)
    shared = sizes[near <= near.min() + 0.5]
    size = float(np.quantile(shared, size_level, method="nearest"))
    is_of_size = np.abs(sizes - size) <= 0.2
    aspect = feature(problem, "aspect_ratio")[candidates][is_of_size]
    log2 = {
        "n_params_body": size,
        "n_tokens": asked - size,
        "aspect_ratio": float(np.quantile(aspect, shape_level)),
    }
    for name in ("mlp_attention_ratio", "gqa_group"):
        log2[name] = float(np.median(feature(problem, name)[candidates][is_of_size]))
    return DesignPoint(log2)


ISOFLOP_GRID = Acquisition(
    name="isoflop_grid",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="a grid of budgets, sizes and width over depth",
)
