"""Where on a line of equal compute each posterior draw has its lowest loss."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError, UndecidedError
from bayeslaw.models.loss.laws import LossLaw

# Tokens a weight that are looked at first: no law's optimum is meant to lie outside.
_TOKENS_PER_PARAM = (1e-5, 1e9)
# Points an axis (size, then shapes), by the number of free shapes: first over everything, then over
# where the draws' optima were.
_COARSE = {0: (85,), 1: (65, 9), 2: (43, 7, 7)}
_FINE = {0: (401,), 1: (61, 41), 2: (25, 15, 15)}
# Above this share of draws without an optimum inside, there is nothing to report.
_MOST_AT_EDGE = 0.5

SHAPE_RANGES: Mapping[str, tuple[float, float]] = {
    "aspect_ratio": (4.0, 400.0),
    "relative_width": (0.02, 0.5),
    "mlp_attention_ratio": (0.2, 12.0),
}
"""Inputs of a law that are a shape's to choose, and where their best value is looked for."""

Losses = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From columns ``(candidate,)`` to loss ``(draw, candidate)``, one draw one coherent curve."""


@dataclass(frozen=True)
class Optimum:
    """Hold each draw's best point, each ``(draw,)``.

    Attributes:
        n_params: Weights, as the law counts them [count].
        shape: Best value of each shape input that was free.
        loss_nats: Loss there [nats per token].
        at_edge: Share of draws whose optimum is at an end of what was looked at, by axis:
            ``n_params`` or a shape input.
    """

    n_params: np.ndarray
    shape: Mapping[str, np.ndarray]
    loss_nats: np.ndarray
    at_edge: Mapping[str, float]


def find_optimum(
    law: LossLaw,
    losses: Losses,
    budget_flops: float,
    fixed: Mapping[str, float],
    shape_ranges: Mapping[str, tuple[float, float]] = SHAPE_RANGES,
) -> Optimum:
    """Return the best size, and shape where it is free, of each draw at one budget.

    All draws are evaluated on one grid in logarithms, first wide, then fine around their optima;
    a parabola through the neighbours of each draw's lowest point gives what lies between.

    Args:
        law: Whose inputs are filled.
        losses: Of the belief.
        budget_flops: ``6 N D``, N as the law counts it [FLOP].
        fixed: Inputs that are given, by name.
        shape_ranges: Inputs that are free, and between which ends.

    Raises:
        InvalidInputError: The law has an input that is neither fixed nor a shape's to choose.
        UndecidedError: Most draws have no optimum in size.
    """
    free = _free_inputs(law, fixed, shape_ranges)
    middle = 0.5 * np.log(budget_flops / 6)  # of log N, at one token a weight
    few, many = _TOKENS_PER_PARAM
    ends = [(middle - 0.5 * np.log(many), middle - 0.5 * np.log(few))]
    ends += [(np.log(low), np.log(high)) for low, high in (shape_ranges[name] for name in free)]
    axes = [
        np.linspace(low, high, n_points)
        for (low, high), n_points in zip(ends, _COARSE[len(free)], strict=True)
    ]
    place, _ = _lowest(losses(columns_at(law, free, budget_flops, fixed, axes)), axes)
    at_edge = {
        name: float(np.mean((index == 0) | (index == len(axis) - 1)))
        for name, index, axis in zip(("n_params", *free), place, axes, strict=True)
    }
    if at_edge["n_params"] > _MOST_AT_EDGE:
        raise UndecidedError(
            f"under law {law.name!r} {at_edge['n_params']:.0%} of the draws have no best size "
            f"between {_TOKENS_PER_PARAM[0]:g} and {_TOKENS_PER_PARAM[1]:g} tokens a weight: the "
            f"loss only falls towards one end of the line of equal compute. Fit runs that differ "
            f"in size at one cost, or take a law that depends on both N and D"
        )
    fine = []
    for index, axis, n_points in zip(place, axes, _FINE[len(free)], strict=True):
        low, high = max(index.min() - 2, 0), min(index.max() + 2, len(axis) - 1)
        fine.append(np.linspace(axis[low], axis[high], n_points))
    place, values = _lowest(losses(columns_at(law, free, budget_flops, fixed, fine)), fine)
    best, loss = _between(place, values, fine)
    return Optimum(
        n_params=np.exp(best[0]),
        shape={name: np.exp(log) for name, log in zip(free, best[1:], strict=True)},
        loss_nats=loss,
        at_edge=at_edge,
    )


def columns_at(
    law: LossLaw,
    free: tuple[str, ...],
    budget_flops: float,
    fixed: Mapping[str, float],
    axes: list[np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the law's inputs at every point of a grid of log N and log shapes, flat."""
    grids = [grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")]
    n_params = np.exp(grids[0])
    n_tokens = budget_flops / (6 * n_params)
    columns = {law.n_column: n_params, "n_tokens": n_tokens}
    columns |= {name: np.exp(grid) for name, grid in zip(free, grids[1:], strict=True)}
    for name, value in fixed.items():
        # A corpus of more unique tokens than are read is read once.
        columns[name] = (
            np.minimum(value, n_tokens)
            if name == "unique_tokens"
            else np.full(len(n_params), float(value))
        )
    return columns


def _free_inputs(
    law: LossLaw, fixed: Mapping[str, float], shape_ranges: Mapping[str, tuple[float, float]]
) -> tuple[str, ...]:
    others = [name for name in law.inputs if name not in (law.n_column, "n_tokens")]
    if unknown := sorted(set(fixed) - set(others)):
        raise InvalidInputError(
            f"law {law.name!r} takes {others or 'nothing'} besides N and D, so {unknown} cannot be "
            f"fixed"
        )
    for name, value in fixed.items():
        if not (np.isfinite(value) and value > 0):
            raise InvalidInputError(f"{name} must be positive and finite, got {value}")
    left = [name for name in others if name not in fixed]
    if missing := [name for name in left if name not in shape_ranges]:
        raise InvalidInputError(
            f"law {law.name!r} also takes {missing}, which nobody can choose by budget alone; fix "
            f"{'it' if len(missing) == 1 else 'them'} (--fix {missing[0]}=NUMBER)"
        )
    if len(left) > max(_FINE):
        raise InvalidInputError(
            f"law {law.name!r} has {left} to choose, and at most {max(_FINE)} can be at a time; "
            f"fix one of them"
        )
    return tuple(left)


def _lowest(losses: np.ndarray, axes: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the index on each axis of each draw's lowest loss, and losses ``(draw, *axes)``."""
    values = losses.reshape(len(losses), *(len(axis) for axis in axes))
    flat = np.argmin(losses, axis=1)
    return list(np.unravel_index(flat, values.shape[1:])), values


def _between(
    place: list[np.ndarray], values: np.ndarray, axes: list[np.ndarray]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return where a parabola through the neighbours is lowest, axis by axis, and the loss there."""
    rows = np.arange(len(values))
    lowest = values[(rows, *place)]
    best, loss = [], lowest.copy()
    for i, axis in enumerate(axes):
        last = len(axis) - 1
        inside = (place[i] > 0) & (place[i] < last)
        before, after = (
            values[(rows, *place[:i], np.clip(place[i] + step, 0, last), *place[i + 1 :])]
            for step in (-1, 1)
        )
        bend = np.where(inside, before - 2 * lowest + after, np.inf)
        slope = np.where(inside, (after - before) / 2, 0.0)
        bend = np.where(bend > 0, bend, np.inf)  # flat: the grid's own point
        best.append(axis[place[i]] - slope / bend * (axis[1] - axis[0]))
        loss -= slope**2 / (2 * bend)
    return best, loss


def neighbourhood(factor: float, n_points: int) -> np.ndarray:
    """Return factors from ``1/factor`` to ``factor`` with 1 in the middle."""
    half = np.geomspace(1.0, factor, n_points // 2 + 1)
    return np.array([*itertools.chain(1 / half[:0:-1], half)])
