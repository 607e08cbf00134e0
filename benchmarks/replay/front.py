"""How much of a pool's own trade-off has been found."""

from __future__ import annotations

import numpy as np


def front_rows(values: np.ndarray) -> np.ndarray:
    """Return the rows of the front of two minimised objectives, the first one's best first.

    >>> front_rows(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 4.0], [3.0, 1.0]])).tolist()
    [0, 1, 3]
    """
    order = np.lexsort((values[:, 1], values[:, 0]))
    best = np.minimum.accumulate(values[order, 1])
    before = np.concatenate([[np.inf], best[:-1]])
    return order[values[order, 1] < before]


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the area that points dominate within the reference point, less being better.

    >>> hypervolume(np.array([[0.0, 0.5], [0.5, 0.0], [2.0, 0.0]]), np.array([1.0, 1.0]))
    0.75
    """
    inside = values[(values < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    front = inside[front_rows(inside)]
    above = np.concatenate([[reference[1]], front[:-1, 1]])
    return float(((reference[0] - front[:, 0]) * (above - front[:, 1])).sum())


def nadir(values: np.ndarray) -> np.ndarray:
    """Return the worst value of each objective on the front: the reference point here."""
    return values[front_rows(values)].max(axis=0)


def shares(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the share of the pool's hypervolume that the first 1, 2, ... rows dominate."""
    reference = nadir(values)
    whole = hypervolume(values, reference)
    found = [hypervolume(values[rows[: n + 1]], reference) / whole for n in range(len(rows))]
    return np.array(found)
