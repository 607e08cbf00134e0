"""A few hundred of many thousand shapes: near what is asked about, and all over."""

from __future__ import annotations

import numpy as np


def thin_rows(pool: np.ndarray, targets: np.ndarray, n_kept: int) -> np.ndarray:
    """Return places of pool rows: half of them nearest to targets, the rest the farthest from all.

    Args:
        pool: ``(row, feature)``.
        targets: ``(target, feature)``.
        n_kept: Rows kept, all where there are no more.

    Source: farthest-first traversal, Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5.

    >>> thin_rows(np.array([[0.0], [0.1], [0.2], [9.0]]), np.array([[0.1]]), 2).tolist()
    [1, 3]
    """
    if len(pool) <= n_kept:
        return np.arange(len(pool))
    scale = np.concatenate([pool, targets]).std(axis=0)
    pool, targets = (values / np.where(scale > 0, scale, 1.0) for values in (pool, targets))
    share = max(1, n_kept // 2 // len(targets))
    near = [
        np.argpartition(((pool - t) ** 2).sum(axis=1), share)[:share]
        for t in targets[: n_kept // 2]
    ]
    kept = list(dict.fromkeys(np.concatenate(near).tolist()))
    apart = np.full(len(pool), np.inf)
    for i in kept:
        apart = np.minimum(apart, ((pool - pool[i]) ** 2).sum(axis=1))
    while len(kept) < n_kept:
        i = int(apart.argmax())
        kept.append(i)
        apart = np.minimum(apart, ((pool - pool[i]) ** 2).sum(axis=1))
    return np.array(kept)
