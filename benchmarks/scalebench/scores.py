"""Scores of a prediction of the target."""

from __future__ import annotations

import numpy as np


def r_squared(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return R2 clipped to [-1, 1], as published.

    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    >>> r_squared(np.array([1.0, 2.0, 3.0]), np.array([9.0, 9.0, 9.0]))
    -1.0
    """
    residual = float(((truth - predicted) ** 2).sum())
    total = float(((truth - truth.mean()) ** 2).sum())
    if total < 1e-30:
        return 1.0 if residual < 1e-30 else -1.0
    return float(np.clip(1 - residual / total, -1.0, 1.0))


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of losses inside their intervals.

    >>> coverage(np.array([1.0, 5.0]), np.zeros(2), np.full(2, 2.0))
    0.5
    """
    return float(((truth >= low) & (truth <= high)).mean())
