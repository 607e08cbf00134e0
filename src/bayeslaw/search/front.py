"""Fronts and boxes over draws, in NumPy."""

from __future__ import annotations

import numpy as np

_CHUNK_VALUES = 20_000_000
# Medians that differ by less than this share are one: the noise in them would make the box.
_LEAST_BOX = 1e-3


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
    n_draws, n_candidates, n_objectives = utilities.shape
    values = np.where(is_feasible[..., None], utilities, -np.inf)
    if n_objectives == 1:
        return (values[..., 0] == values[..., 0].max(axis=1, keepdims=True)) & is_feasible
    if n_objectives == 2:
        return _staircase(values[..., 0], values[..., 1]) & is_feasible
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


def _staircase(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return who is not dominated in two objectives, ``(draw, candidate)``, by sorting."""
    order = np.lexsort((-second, -first), axis=1)
    x, y = (np.take_along_axis(values, order, axis=1) for values in (first, second))
    # Those equal in the first objective stand together, the best in the second in front.
    starts = np.ones_like(x, dtype=bool)
    starts[:, 1:] = x[:, 1:] < x[:, :-1]
    group = np.maximum.accumulate(np.where(starts, np.arange(x.shape[1]), 0), axis=1)
    best_before = np.full((len(y), y.shape[1] + 1), -np.inf)
    np.maximum.accumulate(y, axis=1, out=best_before[:, 1:])
    beaten = np.take_along_axis(best_before, group, axis=1) >= y
    beaten |= np.take_along_axis(y, group, axis=1) > y
    result = np.empty_like(beaten)
    np.put_along_axis(result, order, ~beaten, axis=1)
    return result


def keeps_limits(margins: np.ndarray) -> np.ndarray:
    """Say who keeps all limits, ``(draw, candidate)``, from margins ``(draw, candidate, limit)``."""
    return np.asarray((margins >= 0).all(axis=-1))


def box_share(
    utilities: np.ndarray, is_feasible: np.ndarray, reference: np.ndarray, ideal: np.ndarray
) -> np.ndarray:
    """Return the share of the box that each candidate dominates alone, ``(draw, candidate)``.

    Zero where it breaks a limit or is worse than the reference point; above 1 beyond the ideal.
    One objective is counted on below the reference point: an error that all candidates share moves
    all of them, and must not make them look alike. Who breaks a limit then stands with the worst
    of its draw, or at 0 where that is worse.
    """
    scaled = (utilities - reference) / (ideal - reference)
    if utilities.shape[-1] > 1:
        return np.maximum(scaled, 0.0).prod(axis=-1) * is_feasible
    share = scaled[..., 0]
    worst = np.where(is_feasible, share, np.inf).min(axis=1, keepdims=True)
    return np.where(is_feasible, share, np.minimum(worst, 0.0))


def without_common_shift(utilities: np.ndarray) -> np.ndarray:
    """Return utilities less what all candidates of a draw are better or worse by.

    What moves all candidates alike, such as the error that they share, is no reason to choose
    between them; left in, it would carry a draw out of the box. The shift of a draw is its median
    over candidates, less the median of those.

    Args:
        utilities: ``(draw, candidate, objective)``.

    >>> draws = np.array([[[1.0], [2.0]], [[11.0], [12.0]]])
    >>> without_common_shift(draws)[..., 0].tolist()
    [[6.0, 7.0], [6.0, 7.0]]
    """
    middle = np.median(utilities, axis=1, keepdims=True)
    return utilities - (middle - np.median(middle, axis=0, keepdims=True))


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
    return np.minimum(worst - 0.1 * spread, ideal - _LEAST_BOX * np.abs(ideal)), ideal
