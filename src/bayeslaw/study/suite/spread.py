"""Members of several pools that lie far apart and whose factors are uncorrelated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.study.suite.factors import DISTANCE_WEIGHTS, terms

# Nearer than this, in a cube of edge 2, two trunks are as good as one.
_NEAR = 0.2
# The parts of the cost are of order 1. Tried on the tiny suite: at these weights no two terms are
# correlated above 0.15 and every level of every factor is used; a larger weight on correlations
# leaves points in the middle, a larger one on volume drives them all to the ends.
_VOLUME_WEIGHT = 0.3
_CORRELATION_WEIGHT = 0.5
# A term that is constant over the suite has no scatter; this keeps the others' in view.
_RIDGE = 1e-6
_STARTS = 3
_MAX_PASSES = 20


def choose_spread(
    pools: Sequence[np.ndarray], counts: Sequence[int], n_fixed: int, seed: int
) -> list[list[int]]:
    """Choose rows of each pool: together far apart, and with uncorrelated terms.

    Coordinate exchange (Meyer & Nachtsheim 1995) from several random starts. What is made small
    is the mean inverse squared distance of all pairs, minus the log determinant of the terms'
    scatter, plus the sum of their squared correlations: the first fills the region, the second
    (D-optimality) makes the terms vary much, the third keeps each effect apart from the rest.

    Args:
        pools: Points ``(member, dimension)`` of each pool, scaled to about -1..1.
        counts: How many rows to choose of each.
        n_fixed: The first rows of each pool that are chosen whatever happens.
        seed: Of the random starts.

    Returns:
        Row numbers, a list a pool, the fixed ones first.
    """
    rng = np.random.default_rng(seed)
    best: list[list[int]] = []
    best_cost = np.inf
    for _ in range(_STARTS):
        chosen = [
            [*range(n_fixed), *(n_fixed + rng.permutation(len(pool) - n_fixed))][:n]
            for pool, n in zip(pools, counts, strict=True)
        ]
        cost = _exchange(pools, chosen, n_fixed)
        if not best or cost < best_cost:
            best, best_cost = [[int(row) for row in rows] for rows in chosen], cost
    return best


def farthest_first(points: np.ndarray) -> list[int]:
    """Return the rows' order in which each is as far as can be from those before; row 0 begins.

    >>> farthest_first(np.array([[0.0], [0.1], [1.0], [-2.0]]))
    [0, 3, 2, 1]
    """
    order = [0]
    distance = ((points - points[0]) ** 2).sum(axis=1)
    while len(order) < len(points):
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((points - points[order[-1]]) ** 2).sum(axis=1))
    return order


def _exchange(pools: Sequence[np.ndarray], chosen: list[list[int]], n_fixed: int) -> float:
    """Replace members by better ones of their pool, in place, until none is better."""
    cost = np.inf
    for _ in range(_MAX_PASSES):
        before = cost
        for pool, rows in zip(pools, chosen, strict=True):
            for place in range(n_fixed, len(rows)):
                others = np.concatenate(
                    [
                        p[[row for i, row in enumerate(r) if r is not rows or i != place]]
                        for p, r in zip(pools, chosen, strict=True)
                    ]
                )
                costs = _costs(pool, others)
                taken = [row for i, row in enumerate(rows) if i != place]
                costs[taken] = np.inf
                rows[place] = int(np.argmin(costs))
                cost = float(costs[rows[place]])
        if cost > before - 1e-6:
            break
    return cost


def _costs(candidates: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the cost of the others with each candidate, ``(candidate,)``."""
    n = len(others) + 1
    near, far = candidates * DISTANCE_WEIGHTS, others * DISTANCE_WEIGHTS
    between = ((far[:, None] - far[None]) ** 2).sum(axis=-1)
    energy = (1 / (between[np.triu_indices(n - 1, 1)] + _NEAR**2)).sum()
    to_others = ((near[:, None] - far[None]) ** 2).sum(axis=-1)
    energies = energy + (1 / (to_others + _NEAR**2)).sum(axis=1)
    ours, theirs = terms(candidates), terms(others)
    centre = theirs.mean(axis=0)
    scatter = (theirs - centre).T @ (theirs - centre) + _RIDGE * np.eye(theirs.shape[1])
    away = ours - centre
    share = (n - 1) / n
    # The scatter with one more row, and its determinant by the matrix determinant lemma.
    gain = (away * np.linalg.solve(scatter, away.T).T).sum(axis=1)
    log_volume = np.linalg.slogdet(scatter)[1] + np.log1p(share * gain)
    first, second = np.triu_indices(theirs.shape[1], 1)
    square = np.diag(scatter) + share * away**2
    product = scatter[first, second] + share * away[:, first] * away[:, second]
    alike = (product**2 / (square[:, first] * square[:, second])).sum(axis=1)
    return (
        energies / (n * (n - 1) / 2)
        - _VOLUME_WEIGHT * log_volume / theirs.shape[1]
        + _CORRELATION_WEIGHT * alike
    )
