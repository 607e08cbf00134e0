"""How wrong a law's form may be beyond its runs: Brownian motion in log cost.

Every law form is overconfident beyond the data. On 14 public tables, predicting runs 2-20 times
costlier than any fitted, a Chinchilla fit's 90 % interval held 59-64 % of them. With a shared error
of log loss ``tau W(d)``, ``d = log(C / C_max)``, its size learnt on *other* families of tables,
92 % were held at .80 of the CRPS (research/statistics.md, sections 2 and 3, measured 2026-11).

The error is shared by all architectures (correlation at least .95 of Brownian paths was preferred):
two candidates of one cost are wrong together, so their order is kept.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bayeslaw.errors import InvalidInputError

TAU_MEDIAN = 0.010
TAU_LOG_SD = 0.7
"""Lognormal prior on tau [log loss per square root of log cost].

Learnt leaving one family of tables out, for frontier-weighted fits (statistics.md section 3,
2026-11). A table does not update it: one inner split made coverage worse (.95 to .77).
"""

VALIDATED_COST_RATIO = 20.0
"""The costliest prediction, over the costliest fitted run, that the public tables checked."""

# A path is drawn on nodes that are 4 % apart, so linear interpolation loses at most 1 % of the
# variance anywhere; 30 is 1e13 times the costliest run.
_NODES = np.concatenate([[0.0], np.geomspace(0.01, 30.0, 204)])


def draw_tau(n_draws: int, *, seed: int) -> np.ndarray:
    """Return draws of tau from what other tables taught, ``(draw,)``."""
    normals = np.random.default_rng([seed, 1]).standard_normal(n_draws)
    return TAU_MEDIAN * np.exp(TAU_LOG_SD * normals)


def discrepancy(
    log_cost_distance: np.ndarray, tau: np.ndarray, path_ids: np.ndarray, *, seed: int
) -> np.ndarray:
    """Return the error of log loss of each draw at each candidate.

    A path is a fixed function of distance: the same seed and path give the same error, whatever
    else is asked, so separate calls agree and one draw is one coherent curve.

    Args:
        log_cost_distance: ``log(C / C_max)``, ``(candidate,)``; 0 error where not positive.
        tau: Scale of each draw, ``(draw,)``.
        path_ids: Which path each draw has, ``(draw,)`` integers.
        seed: Of the paths.

    Returns:
        ``(draw, candidate)``, to be added to log loss.

    Raises:
        InvalidInputError: A candidate is more than 1e13 times costlier than any run.

    >>> distance = np.array([-1.0, 0.0, 2.0])
    >>> error = discrepancy(distance, np.full(4000, 0.01), np.arange(4000), seed=0)
    >>> error.std(axis=0).round(3).tolist()
    [0.0, 0.0, 0.014]
    """
    distance = np.maximum(np.asarray(log_cost_distance, dtype=float), 0.0)
    if (distance > _NODES[-1]).any():
        raise InvalidInputError(
            f"a candidate costs exp({distance.max():.1f}) times the costliest run; predictions "
            f"stop at exp({_NODES[-1]:.0f}): check the units of N and D"
        )
    paths = _paths(int(path_ids.max()) + 1, seed)[path_ids]
    right = np.clip(np.searchsorted(_NODES, distance), 1, len(_NODES) - 1)
    share = (distance - _NODES[right - 1]) / (_NODES[right] - _NODES[right - 1])
    walk = paths[:, right - 1] * (1 - share) + paths[:, right] * share
    return tau[:, None] * walk


@lru_cache(maxsize=4)
def _paths(n_paths: int, seed: int) -> np.ndarray:
    """Return standard Brownian paths ``(path, node)``; path i is the same for any n_paths > i."""
    normals = np.random.default_rng([seed, 2]).standard_normal((n_paths, len(_NODES) - 1))
    steps = normals * np.sqrt(np.diff(_NODES))
    paths = np.concatenate([np.zeros((n_paths, 1)), np.cumsum(steps, axis=1)], axis=1)
    paths.setflags(write=False)
    return paths
