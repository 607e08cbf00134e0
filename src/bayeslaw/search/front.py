"""Fronts and boxes over draws, in NumPy."""

from __future__ import annotations

import numpy as np

_CHUNK_VALUES = 20_000_000


def non_dominated(utilities: np.ndarray, is_feasible: np.ndarray) -> np.ndarray:
    """Say in each draw who is feasible and not dominated by anyone feasible.

    Args:
        utilities: More is better, ``(draw, candidate, objective)``.
        is_feasible: ``(draw, candidate)``.

    Returns:
        Booleans ``(draw, candidate)``. A candidate is dominated by one at least as good in all
        objectives and better in one; equals do not dominate each other.

    >>> points = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    >>> non_dominated(points, np.array([[True, True, True]])).tolist()
    [[True, True, False]]
    """
    n_draws, n_candidates, _ = utilities.shape
    values = np.where(is_feasible[..., None], utilities, -np.inf)
    result = np.empty((n_draws, n_candidates), dtype=bool)
    size = max(1, _CHUNK_VALUES // max(1, n_candidates**2))
    for start in range(0, n_draws, size):
        some = np.moveaxis(values[start : start + size], -1, 0)  # objective first: (k, draw, c)
        as_good = np.ones((some.shape[1], n_candidates, n_candidates), dtype=bool)
        better = np.zeros_like(as_good)
        for objective in some:
            as_good &= objective[:, :, None] >= objective[:, None, :]
            better |= objective[:, :, None] > objective[:, None, :]
        result[start : start + size] = ~(as_good & better).any(axis=1)
    return result & is_feasible


def keeps_limits(margins: np.ndarray) -> np.ndarray:
    """Say who keeps all limits, ``(draw, candidate)``, from margins ``(draw, candidate, limit)``."""
    return np.asarray((margins >= 0).all(axis=-1))


def box_share(
    utilities: np.ndarray, is_feasible: np.ndarray, reference: np.ndarray, ideal: np.ndarray
) -> np.ndarray:
    """Return the share of the box that each candidate dominates alone, ``(draw, candidate)``.

    Zero where it breaks a limit or is worse than the reference point; above 1 beyond the ideal.
    """
    share = np.maximum((utilities - reference) / (ideal - reference), 0.0).prod(axis=-1)
    return share * is_feasible


def reference_and_ideal(utilities: np.ndarray, is_feasible: np.ndarray) -> tuple[np.ndarray, ...]:
    """Choose the box that hypervolume is counted in, from predicted medians.

    The ideal point is the best median of each objective, the reference point the worst median on
    the front of the feasible, a tenth of the range further out so that the ends of the front
    count too (Ishibuchi et al. 2018, doi:10.1162/evco_a_00226); with one objective, the worst
    median of all. Where nothing is feasible in most
    draws, everything takes part: the way to the limits must still have a direction.

    Args:
        utilities: More is better, ``(draw, candidate, objective)``.
        is_feasible: ``(draw, candidate)``.

    Returns:
        Reference point and ideal point, each ``(objective,)``.
    """
    medians = np.median(utilities, axis=0)
    usually = is_feasible.mean(axis=0) >= 0.5
    if not usually.any():
        usually = np.ones(len(medians), dtype=bool)
    front = medians[non_dominated(medians[None], usually[None])[0]]
    ideal = medians[usually].max(axis=0)
    # One objective has a front of one point: the box then spans all candidates.
    worst = (front if utilities.shape[-1] > 1 else medians[usually]).min(axis=0)
    # A front of one point has no range of its own; the range of all medians stands in.
    spread = np.where(ideal > worst, ideal - worst, np.ptp(medians, axis=0))
    spread = np.where(spread > 0, spread, np.maximum(np.abs(ideal), 1e-12))
    return worst - 0.1 * spread, ideal
