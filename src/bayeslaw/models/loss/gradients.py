"""The log density, its slope and its curvature at many points, by one compiled program."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayeslaw.models.loss.density import log_density
from bayeslaw.models.loss.jax_session import compiled
from bayeslaw.models.loss.laws import LossLaw

BATCH = 64
"""Points that one call of the program takes at most."""

_DIFFERENCE = 1e-4


def values_and_slopes(
    points: np.ndarray, evidence: Mapping[str, Any], law: LossLaw
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log density and its gradient at each point.

    Mode, curvature, importance weights and the chains' starts all come from this one program:
    compiling is most of a cold fit. Points are looped over inside it, since each operation is far
    too small to be shared among processors.

    Args:
        points: ``(point, coordinate)``.
        evidence: From `padded`.
        law: Formula and priors.

    Returns:
        ``(point,)`` and ``(point, coordinate)``.
    """
    n_points, n_coordinates = points.shape
    values, slopes = np.empty(n_points), np.empty((n_points, n_coordinates))
    for first in range(0, n_points, BATCH):
        part = points[first : first + BATCH]
        batch = np.zeros((BATCH, n_coordinates))
        batch[: len(part)] = part
        found, slope = _program()(batch, len(part), evidence, law)
        values[first : first + len(part)] = np.asarray(found)[: len(part)]
        slopes[first : first + len(part)] = np.asarray(slope)[: len(part)]
    return values, slopes


def curvature(z: np.ndarray, evidence: Mapping[str, Any], law: LossLaw) -> np.ndarray:
    """Return the log density's second derivatives at a point, ``(coordinate, coordinate)``.

    Central differences of the gradient: right to 1e-8, and a program less to compile.
    """
    steps = _DIFFERENCE * np.eye(len(z))
    slopes = values_and_slopes(np.concatenate([z + steps, z - steps]), evidence, law)[1]
    found = (slopes[: len(z)] - slopes[len(z) :]) / (2 * _DIFFERENCE)
    return (found + found.T) / 2


@cache
def _program() -> Any:
    return compiled(_loop)


def _loop(
    points: jax.Array, n_points: int, evidence: Mapping[str, Any], law: LossLaw
) -> tuple[jax.Array, jax.Array]:
    value_and_slope = jax.value_and_grad(log_density)

    def at(i: jax.Array, found: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        value, slope = value_and_slope(points[i], evidence, law)
        return found[0].at[i].set(value), found[1].at[i].set(slope)

    return jax.lax.fori_loop(0, n_points, at, (jnp.zeros(BATCH), jnp.zeros_like(points)))
