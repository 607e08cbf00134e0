"""The log posterior density that MAP, Laplace and NUTS share, in jax."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.noise import SIGMA_LOG_SD, SIGMA_MEDIAN, STUDENT_T_DOF


def log_density(z: jax.Array, evidence: Mapping[str, Any], law: LossLaw) -> jax.Array:
    """Return the log posterior at unconstrained coordinates, up to a constant.

    Log loss is the law's, plus Student-t noise of scale sigma; a run's log likelihood counts by its
    frontier weight (a power likelihood). The prior is standard normal in every coordinate.

    Args:
        z: ``(coefficient + 1,)``: the law's coordinates, then that of log sigma.
        evidence: From `padded`.
        law: Formula and priors.
    """
    theta = law.from_unconstrained(z[:-1], evidence["reference"], jnp)
    log_sigma = jnp.log(SIGMA_MEDIAN) + SIGMA_LOG_SD * z[-1]
    misfit = evidence["log_loss"] - jnp.log(law(theta, evidence["columns"]))
    t = misfit * jnp.exp(-log_sigma)
    log_likelihood = -log_sigma - (STUDENT_T_DOF + 1) / 2 * jnp.log1p(t**2 / STUDENT_T_DOF)
    return jnp.sum(evidence["weights"] * log_likelihood) - 0.5 * jnp.sum(z**2)


@partial(jax.jit, static_argnames="law")
def value_and_gradient(
    z: jax.Array, evidence: Mapping[str, Any], law: LossLaw
) -> tuple[jax.Array, jax.Array]:
    """Return the log density and its gradient, compiled once a law and bucket of rows."""
    return jax.value_and_grad(log_density)(z, evidence, law)


@partial(jax.jit, static_argnames="law")
def hessian(z: jax.Array, evidence: Mapping[str, Any], law: LossLaw) -> jax.Array:
    """Return the log density's second derivatives, ``(coordinate, coordinate)``."""
    return jax.hessian(log_density)(z, evidence, law)


@partial(jax.jit, static_argnames="law")
def log_densities(z: jax.Array, evidence: Mapping[str, Any], law: LossLaw) -> jax.Array:
    """Return the log density at each of ``(draw, coordinate)`` points, ``(draw,)``."""
    return jax.vmap(lambda point: log_density(point, evidence, law))(z)
