"""How a link is believed below the lowest loss it was fitted on.

As for laws (`bayeslaw.models.loss.discrepancy`), a link's form is wrong by more the further it is
carried. So runs far above the frontier count less, and beyond it the link's error wanders like
Brownian motion in the loss. The constants were chosen on Gemstones (its nine benchmarks and two
validation losses, fitted on the half of the points with higher loss and scored on the other,
2026-11-22): for errors 90 % intervals held .89 with neither and .97 with both, at the same CRPS.
Coverage is measured on Gadre's table (`tests/models/links`), on which nothing was chosen.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bayeslaw.errors import InvalidInputError

WEIGHT_NATS = 0.5
"""A run this much above the lowest loss counts half [nats per token]."""

TAU_LOG_SD = 0.7
"""Spread of the lognormal prior on tau, the scale of the wandering per root of a nat.

Each link says its median in its own unit; one family of tables does not tell the spread, which is
that of the laws.
"""

VALIDATED_NATS = 0.9
"""How far below the lowest fitted loss the public tables checked [nats per token]."""

_NODES = np.concatenate([[0.0], np.geomspace(0.005, 20.0, 160)])


def frontier_weights(loss_nats: np.ndarray) -> np.ndarray:
    """Return how much each run's log likelihood counts, ``(run,)`` in (0, 1].

    >>> frontier_weights(np.array([2.5, 3.0, 4.5])).round(2).tolist()
    [1.0, 0.5, 0.2]
    """
    return 1.0 / (1.0 + (loss_nats - loss_nats.min()) / WEIGHT_NATS)


def draw_tau(median: float, n_draws: int, *, seed: int) -> np.ndarray:
    """Return draws of tau, ``(draw,)``."""
    normals = np.random.default_rng([seed, 1]).standard_normal(n_draws)
    return median * np.exp(TAU_LOG_SD * normals)


def wander(distance_nats: np.ndarray, tau: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the link's error of each draw at each candidate, in units of the link.

    A draw's path is a fixed function of distance, so separate calls agree and one draw is one
    coherent curve.

    Args:
        distance_nats: Lowest fitted loss less the candidate's, ``(draw, candidate)``; no error
            where not positive.
        tau: ``(draw,)``.
        seed: Of the paths.

    Raises:
        InvalidInputError: A candidate is more than 20 nats below.

    >>> distance = np.tile([-1.0, 0.25], (4000, 1))
    >>> wander(distance, np.full(4000, 0.02), seed=0).std(axis=0).round(3).tolist()
    [0.0, 0.01]
    """
    distance = np.maximum(np.asarray(distance_nats, dtype=float), 0.0)
    if (distance > _NODES[-1]).any():
        raise InvalidInputError(
            f"a candidate's loss is {distance.max():.3g} nats below the lowest fitted one; losses "
            f"are nats per token, at most {_NODES[-1]:.0f} below"
        )
    paths = _paths(len(tau), seed)
    right = np.clip(np.searchsorted(_NODES, distance), 1, len(_NODES) - 1)
    share = (distance - _NODES[right - 1]) / (_NODES[right] - _NODES[right - 1])
    before = np.take_along_axis(paths, right - 1, axis=1)
    after = np.take_along_axis(paths, right, axis=1)
    return tau[:, None] * (before * (1 - share) + after * share)


@lru_cache(maxsize=4)
def _paths(n_paths: int, seed: int) -> np.ndarray:
    normals = np.random.default_rng([seed, 2]).standard_normal((n_paths, len(_NODES) - 1))
    walks = np.cumsum(normals * np.sqrt(np.diff(_NODES)), axis=1)
    paths = np.concatenate([np.zeros((n_paths, 1)), walks], axis=1)
    paths.setflags(write=False)
    return paths
