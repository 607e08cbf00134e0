"""By how much a value not yet known is expected to push a front of two objectives out."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr


def expected_growth(
    mean: np.ndarray, sd: np.ndarray, known: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Return the expected hypervolume that each row adds to a front, in closed form.

    With independent normal objectives the area between front and reference point falls into
    strips, and over a strip the expectation is a product (Emmerich, Deutz and Klinkenberg 2011,
    doi:10.1109/CEC.2011.5949880).

    Args:
        mean: Expected values, less is better, ``(..., row, 2)``.
        sd: Their standard deviations ``(..., row, 2)``.
        known: Points there are, dominated ones among them or not ``(point, 2)``.
        reference: Worst values that count ``(2,)``.

    Returns:
        ``(..., row)``, in the product of the two units.

    >>> sure = np.zeros((1, 2))
    >>> expected_growth(np.array([[1.0, 1.0]]), sure, np.array([[0.0, 3.0]]), np.array([4.0, 4.0]))
    array([6.])
    """
    front = lower_front(known[(known < reference).all(axis=1)])
    # Strip i lies left of border i; within it, points of the front reach down to depth i.
    left = np.concatenate([[-np.inf], front[:, 0]])
    right = np.concatenate([front[:, 0], [reference[0]]])
    depth = np.concatenate([[reference[1]], front[:, 1]])
    width = _below(right, mean[..., 0], sd[..., 0]) - _below(left, mean[..., 0], sd[..., 0])
    return (width * _below(depth, mean[..., 1], sd[..., 1])).sum(axis=-1)


def lower_front(values: np.ndarray) -> np.ndarray:
    """Return the points that no other is below in both, the first one's least first, equals once."""
    order = np.lexsort((values[:, 1], values[:, 0]))
    ordered = values[order]
    best = np.minimum.accumulate(ordered[:, 1])
    is_new = ordered[:, 1] < np.concatenate([[np.inf], best[:-1]])
    return ordered[is_new]


def _below(border: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return the expectation of ``max(border - value, 0)`` ``(..., row, border)``."""
    gap = border - mean[..., None]
    gap = np.where(np.isinf(gap), -np.inf, gap)
    spread = np.maximum(sd[..., None], 1e-300)
    z = np.clip(gap / spread, -1e4, 1e4)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    tail = np.where(np.isinf(gap), 0.0, gap) * ndtr(z)
    return np.where(np.isinf(gap), 0.0, np.maximum(tail + spread * density, 0.0))
