"""Members a few axis steps away, found without building anything.

Indices in, indices out: a member is one index an axis, so a step is plus or minus one in one
column. A constraint such as ``n_heads * head_dim == d_model`` lets no single step through. Such a
step is then *repaired*: another axis is scanned from end to end for the value nearest to the old
one that makes up for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Test = Callable[[np.ndarray], np.ndarray]
"""Says of each row of indices, ``(member, axis)``, whether it meets every constraint."""

_MOST_AXES = 3  # that move at once by chance
_JOINT_ROWS = 512
_JOINT_ROUNDS = 6
# Rows that scans may test: always, and again where everything else gave too little.
_REPAIR_ROWS = 8_192
_MORE_REPAIR_ROWS = 131_072


def nearby(
    start: np.ndarray,
    sizes: np.ndarray,
    test: Test,
    n: int,
    rng: np.random.Generator,
    *,
    reach: int = 2,
) -> np.ndarray:
    """Return distinct members near one: steps along one axis, repaired steps, joint steps, in turn.

    Args:
        start: Its index on each axis ``(axis,)``.
        sizes: Values on each axis [count] ``(axis,)``.
        test: Keeps those that meet the constraints.
        n: How many are wanted; fewer where no more are found.
        rng: Of what is tried, and in which order.
        reach: Longest step, in indices; steps are 1, 2, 4, ... up to it.

    Returns:
        Indices ``(member, axis)``, at most ``n``, never the start.
    """
    movable = np.flatnonzero(sizes > 1)
    if not len(movable) or n < 1:
        return np.empty((0, len(start)), dtype=np.int64)
    ladder = 2 ** np.arange(int(reach).bit_length())
    steps = np.concatenate([-ladder, ladder])
    single = _single_moves(start, movable, steps)
    single = rng.permutation(single[_inside(single, sizes)])
    is_feasible = _passes(single, sizes, test)
    broken = single[~is_feasible]
    repaired = _repairs(broken, start, sizes, movable, test, rng, _REPAIR_ROWS)
    joint = np.empty((0, len(start)), dtype=np.int64)
    for _ in range(_JOINT_ROUNDS if len(movable) > 1 else 0):
        moved = _joint_moves(start, movable, steps, rng)
        joint = np.concatenate([joint, moved[_passes(moved, sizes, test)]])
        if len(found := _in_turn(start, single[is_feasible], repaired, joint)) >= n:
            return found[:n]
    repaired = _repairs(single, start, sizes, movable, test, rng, _MORE_REPAIR_ROWS)
    return _in_turn(start, single[is_feasible], repaired, joint)[:n]


def _inside(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.asarray(((rows >= 0) & (rows < sizes)).all(axis=1))


def _passes(rows: np.ndarray, sizes: np.ndarray, test: Test) -> np.ndarray:
    passes = _inside(rows, sizes)
    if passes.any():
        passes[passes] = test(rows[passes])
    return passes


def _single_moves(start: np.ndarray, movable: np.ndarray, steps: np.ndarray) -> np.ndarray:
    rows = np.repeat(start[None], len(movable) * len(steps), axis=0)
    rows[np.arange(len(rows)), np.repeat(movable, len(steps))] += np.tile(steps, len(movable))
    return rows


def _joint_moves(
    start: np.ndarray, movable: np.ndarray, steps: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Move two or three axes at once, by chance."""
    n_moved = rng.integers(2, min(_MOST_AXES, len(movable)) + 1, _JOINT_ROWS)
    rank = rng.random((_JOINT_ROWS, len(movable))).argsort(axis=1)
    rows = np.repeat(start[None], _JOINT_ROWS, axis=0)
    rows[:, movable] += (rank < n_moved[:, None]) * rng.choice(steps, (_JOINT_ROWS, len(movable)))
    return rows


def _repairs(
    moved: np.ndarray,
    start: np.ndarray,
    sizes: np.ndarray,
    movable: np.ndarray,
    test: Test,
    rng: np.random.Generator,
    max_rows: int,
) -> np.ndarray:
    """After each step, along each other axis, find the feasible value nearest to the old one."""
    lines = [
        (i, axis) for i in range(len(moved)) for axis in movable if moved[i, axis] == start[axis]
    ]
    lines = [lines[k] for k in rng.permutation(len(lines))]
    n_rows = np.cumsum([sizes[axis] for _, axis in lines])
    lines = lines[: max(1, int(np.searchsorted(n_rows, max_rows)))]
    if not lines:
        return np.empty((0, len(start)), dtype=np.int64)
    lengths = np.array([sizes[axis] for _, axis in lines])
    line = np.repeat(np.arange(len(lines)), lengths)
    value = np.concatenate([np.arange(length) for length in lengths])
    rows, axes = (np.array(column)[line] for column in zip(*lines, strict=True))
    scanned = moved[rows]
    scanned[np.arange(len(scanned)), axes] = value
    passes = test(scanned)
    distance = np.abs(value - start[axes])[passes]
    scanned, line = scanned[passes], line[passes]
    nearest = np.lexsort((distance, line))
    _, first = np.unique(line[nearest], return_index=True)
    return scanned[nearest[first]]


def _in_turn(start: np.ndarray, *groups: np.ndarray) -> np.ndarray:
    """Take the first of each group, then the second of each, and so on, repeats left out."""
    turn = np.concatenate([np.arange(len(group)) for group in groups])
    rows = np.concatenate(groups)[np.argsort(turn, kind="stable")]
    rows = rows[(rows != start).any(axis=1)]
    _, first_seen = np.unique(rows, axis=0, return_index=True)
    return rows[np.sort(first_seen)]
