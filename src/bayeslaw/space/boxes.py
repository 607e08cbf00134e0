"""Branch and bound over a product of axes that is never built.

A box is one index range an axis. Interval arithmetic says of a whole box whether every, some or
no member can meet the constraints; undecided boxes are split along an axis that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.space.interval import Interval, Truth

Judge = Callable[[Mapping[str, Interval]], Sequence[Truth]]
Test = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Cover:
    """Hold boxes that together contain every feasible member, and little else.

    Attributes:
        first: First index on each axis, int64, shape ``(box, axis)``.
        last: Last index on each axis, inclusive, int64, shape ``(box, axis)``.
        is_full: Whether every member of the box is feasible, shape ``(box,)``.
    """

    first: np.ndarray
    last: np.ndarray
    is_full: np.ndarray

    @property
    def volumes(self) -> np.ndarray:
        """Members of each box, feasible or not, float64, shape ``(box,)``."""
        return _volumes(self.first, self.last)

    @property
    def is_exact(self) -> bool:
        """Whether the boxes hold feasible members only."""
        return bool(self.is_full.all())

    def undecided(self) -> Cover:
        """Return the boxes of which only some members may be feasible."""
        return Cover(
            self.first[~self.is_full],
            self.last[~self.is_full],
            np.zeros(int((~self.is_full).sum()), bool),
        )

    def exact_counts(self) -> list[int]:
        """Members of each box as Python integers: products beyond 2**53 stay exact."""
        widths = (self.last - self.first + 1).tolist()
        counts = []
        for row in widths:
            product = 1
            for width in row:
                product *= width
            counts.append(product)
        return counts

    def members(self) -> np.ndarray:
        """Enumerate the members of all boxes: indices, shape ``(member, axis)``."""
        blocks = []
        for first, last in zip(self.first, self.last, strict=True):
            grid = np.indices(last - first + 1).reshape(len(first), -1).T
            blocks.append(grid + first)
        return np.concatenate(blocks)

    def draw(self, n_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Draw members uniformly from the union of boxes: indices, shape ``(draw, axis)``."""
        volumes = self.volumes
        boxes = rng.choice(len(volumes), size=n_draws, p=volumes / volumes.sum())
        return rng.integers(self.first[boxes], self.last[boxes] + 1)


def cover(
    axes: Mapping[str, np.ndarray],
    judge: Judge,
    test: Test,
    mentions: np.ndarray,
    max_boxes: int,
    start: Cover | None = None,
) -> Cover:
    """Split undecided boxes, largest first, until none is left or there are ``max_boxes``.

    Args:
        axes: Values of each axis, ascending.
        judge: Gives a `Truth` for each constraint from intervals of all axes.
        test: Gives, for columns of members, whether all constraints hold.
        mentions: Whether a constraint depends on an axis, bool, shape ``(constraint, axis)``.
        max_boxes: When to stop.
        start: A cover to go on from; the whole product when left out.

    Returns:
        A cover; it is empty only when no member is feasible.
    """
    if start is None:
        last = np.array([[len(axis) - 1 for axis in axes.values()]])
        boxes = _decide(np.zeros_like(last), last, axes, judge, test, mentions)
    else:
        boxes = _decide(start.first, start.last, axes, judge, test, mentions)
    while len(boxes[0]) < max_boxes and not boxes[2].all():
        first, last, is_full, relevant = boxes
        chosen = ~is_full
        room = max_boxes - len(first)
        if chosen.sum() > room:
            sizes = np.where(chosen, _volumes(first, last), -1.0)
            chosen = np.zeros(len(first), dtype=bool)
            chosen[np.argsort(-sizes, kind="stable")[:room]] = True
        halves = _split(first[chosen], last[chosen], relevant[chosen], axes)
        new = _decide(*halves, axes, judge, test, mentions)
        boxes = tuple(
            np.concatenate([old[~chosen], part]) for old, part in zip(boxes, new, strict=True)
        )
    return Cover(*boxes[:3])


def _volumes(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    return np.prod((last - first + 1).astype(np.float64), axis=1)


def _judged(
    first: np.ndarray, last: np.ndarray, axes: Mapping[str, np.ndarray], judge: Judge
) -> tuple[np.ndarray, np.ndarray]:
    """Return (always, possibly), each bool of shape ``(box, constraint)``."""
    intervals = {
        name: Interval(values[first[:, i]], values[last[:, i]])
        for i, (name, values) in enumerate(axes.items())
    }
    truths = judge(intervals)
    shape = (len(first),)
    always = [np.broadcast_to(truth.always, shape) for truth in truths]
    possibly = [np.broadcast_to(truth.possibly, shape) for truth in truths]
    if not truths:
        return np.ones((*shape, 0), dtype=bool), np.ones((*shape, 0), dtype=bool)
    return np.stack(always, axis=1), np.stack(possibly, axis=1)


def _decide(
    first: np.ndarray,
    last: np.ndarray,
    axes: Mapping[str, np.ndarray],
    judge: Judge,
    test: Test,
    mentions: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Drop boxes without members; of the others say which are full and which axes matter.

    Returns:
        ``first`` and ``last`` of the boxes that are left, ``is_full`` ``(box,)``, and whether an
        undecided constraint depends on an axis, ``(box, axis)``.
    """
    always, possibly = _judged(first, last, axes, judge)
    alive = possibly.all(axis=1)
    first, last, always = first[alive], last[alive], always[alive]
    is_full = np.asarray(always.all(axis=1))
    # Where every axis that an open constraint mentions is down to one value, one member speaks
    # for the whole box.
    relevant = (~always @ mentions) > 0
    is_point = ~is_full & ~(relevant & (last > first)).any(axis=1)
    if not is_point.any():
        return first, last, is_full, relevant
    members = {name: values[first[is_point, i]] for i, (name, values) in enumerate(axes.items())}
    holds = np.ones(len(first), dtype=bool)
    holds[is_point] = test(members)
    return first[holds], last[holds], np.logical_or(is_full, is_point)[holds], relevant[holds]


def _split(
    first: np.ndarray, last: np.ndarray, relevant: np.ndarray, axes: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Halve each box along the relevant axis whose values span the largest ratio."""
    spans = np.stack(
        [
            np.log1p(values[last[:, i]]) - np.log1p(values[first[:, i]])
            for i, values in enumerate(axes.values())
        ],
        axis=1,
    )
    axis = np.argmax(np.where(relevant & (last > first), spans + 1e-9, -1.0), axis=1)
    rows = np.arange(len(first))
    middle = (first[rows, axis] + last[rows, axis]) // 2
    lower_last, upper_first = last.copy(), first.copy()
    lower_last[rows, axis] = middle
    upper_first[rows, axis] = middle + 1
    return np.concatenate([first, upper_first]), np.concatenate([lower_last, last])
