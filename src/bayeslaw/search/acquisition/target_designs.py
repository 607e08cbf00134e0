"""Sets of designs whose front covers most, for many fantasies at once."""

from __future__ import annotations

import numpy as np


def best_sets(
    values: np.ndarray, reference: np.ndarray, n_designs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Choose designs one after the other, each adding most to the hypervolume of those before.

    Args:
        values: Of two objectives, more is better ``(..., design, 2)``.
        reference: Where hypervolume is counted from ``(2,)``.
        n_designs: To choose of each set; a design may be chosen again where nothing adds.

    Returns:
        Chosen designs ``(..., n_designs)`` and the hypervolume of each set ``(...,)``.

    >>> front = np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 1.5]])
    >>> sets, volumes = best_sets(front, np.zeros(2), 2)
    >>> sets.tolist(), float(volumes)
    ([1, 0], 5.0)
    """
    sides = np.maximum(values - reference, 0.0)
    chosen: list[np.ndarray] = []
    volume = np.zeros(sides.shape[:-2])
    for _ in range(n_designs):
        taken = [np.take_along_axis(sides, row[..., None, None], axis=-2) for row in chosen]
        with_each = _areas(sides, taken)
        chosen.append(np.argmax(with_each, axis=-1))
        volume = with_each.max(axis=-1)
    return np.stack(chosen, axis=-1), volume


def _areas(sides: np.ndarray, taken: list[np.ndarray]) -> np.ndarray:
    """Return the area that each design covers together with those taken ``(..., design)``."""
    shape = sides.shape
    sets = np.stack([sides, *(np.broadcast_to(one, shape) for one in taken)], axis=-2)
    order = np.argsort(-sets[..., 0], axis=-1, kind="stable")
    widths, heights = (np.take_along_axis(sets[..., k], order, axis=-1) for k in (0, 1))
    # From the widest inward: each strip between two widths is as high as the highest so far.
    strips = widths - np.concatenate([widths[..., 1:], np.zeros_like(widths[..., :1])], axis=-1)
    return (strips * np.maximum.accumulate(heights, axis=-1)).sum(axis=-1)
