"""The log posterior density that mode, Laplace and NUTS share, in jax."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammaln

from bayeslaw.models.loss.contamination import log_density_badly_tuned
from bayeslaw.models.loss.coordinates import Coordinates, Unpacked
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.noise import STUDENT_T_DOF

_SCORING_STEPS = 5


def log_density(z: jax.Array, evidence: Mapping[str, Any], law: LossLaw) -> jax.Array:
    """Return the log posterior at unconstrained coordinates, up to a constant.

    Log loss is the law's, plus the form's own error, plus noise. The error is two Brownian paths
    (`discrepancy`): down from the costliest run in log cost, so cheap runs say less; and to both
    sides in log tokens per weight, which repeats from budget to budget. Noise grows to both sides,
    and that of one training job is one multivariate Student-t: its points share an effect and are
    outliers together. The prior is standard normal in every coordinate. The paths are integrated
    out around their mode with the expected information (Laplace); a joint mode would take all
    misfit for path.

    Args:
        z: ``(coordinate,)``, laid out by `Coordinates`.
        evidence: From `padded`.
        law: Formula and priors.
    """
    at, misfit = _misfit(z, evidence, law)
    basis = _scaled(at, evidence)
    steps, factor = _path(at, misfit, basis, evidence)
    log_joint = _log_noise(misfit - basis @ steps, at, evidence)[0] - 0.5 * jnp.sum(steps**2)
    log_volume = -jnp.sum(jnp.log(jnp.diagonal(factor)))
    return log_joint + log_volume - 0.5 * jnp.sum(z**2)


def _misfit(z: jax.Array, evidence: Mapping[str, Any], law: LossLaw) -> tuple[Unpacked, jax.Array]:
    coordinates = Coordinates(law, "trunk" in evidence, "badly_tuned" in evidence)
    at = coordinates.unpack(z, evidence["scales"], jnp)
    theta = law.from_unconstrained(at.coefficients, evidence["reference"], jnp)
    misfit = evidence["log_loss"] - jnp.log(law(theta, evidence["columns"]))
    return at, misfit


def _path(
    at: Unpacked, misfit: jax.Array, basis: jax.Array, evidence: Mapping[str, Any]
) -> tuple[jax.Array, jax.Array]:
    """Return the paths' likeliest steps ``(node,)`` and the Cholesky factor of their information.

    Fisher scoring, written out, so that the gradient is the gradient of what is computed. (Leaving
    it out by the envelope theorem halves compilation, but eight steps of a multivariate t are not
    at the peak yet, and the mode search then ends on no peak.)
    """
    information = jnp.eye(basis.shape[1]) + basis.T @ _information(basis, at, evidence)
    factor = jnp.linalg.cholesky(information)
    root = jax.scipy.linalg.solve_triangular(factor, jnp.eye(basis.shape[1]), lower=True)
    covariance = root.T @ root
    steps = jnp.zeros(basis.shape[1])
    for _ in range(_SCORING_STEPS):
        pull = _log_noise(misfit - basis @ steps, at, evidence)[1]
        steps = steps + covariance @ (basis.T @ pull - steps)
    return steps, factor


def _scaled(at: Unpacked, evidence: Mapping[str, Any]) -> jax.Array:
    """Return what each step of the paths adds to log loss, ``(run, node)``."""
    return jnp.concatenate(
        [at.tau * evidence["along_cost"], at.rho * evidence["along_ratio"]], axis=1
    )


def _noise_scale(at: Unpacked, evidence: Mapping[str, Any]) -> jax.Array:
    """Return the scale of what a run's noise has of its own, ``(run,)``."""
    return at.sigma * jnp.sqrt(1 - at.run_share) * jnp.exp(at.growth * evidence["off_centre"])


def _log_noise(
    misfit: jax.Array, at: Unpacked, evidence: Mapping[str, Any]
) -> tuple[jax.Array, jax.Array]:
    """Return the log density of the noise and its derivative by the curve, ``(run,)``."""
    if "badly_tuned" in evidence:
        return _log_noise_mixed(misfit, at, evidence)
    scale = _noise_scale(at, evidence)
    scaled = misfit * evidence["mask"] / scale
    if "trunk" not in evidence:
        count, distance, white = evidence["mask"], scaled**2, scaled
        log_volume = count * jnp.log(scale)
    else:
        count = _by_trunk(evidence["mask"], evidence)
        total = _by_trunk(scaled, evidence)
        odds = at.run_share / (1 - at.run_share)
        shared = 1 + odds * count
        distance = _by_trunk(scaled**2, evidence) - odds / shared * total**2
        white = scaled - evidence["mask"] * (odds / shared * total)[evidence["trunk"]]
        log_volume = _by_trunk(evidence["mask"] * jnp.log(scale), evidence)
        log_volume = log_volume + 0.5 * jnp.log(shared)
    log_noise = -jnp.sum(
        log_volume + (STUDENT_T_DOF + count) / 2 * jnp.log1p(distance / STUDENT_T_DOF)
    )
    pull = (STUDENT_T_DOF + count) / (STUDENT_T_DOF + distance)
    if "trunk" in evidence:
        pull = pull[evidence["trunk"]]
    return log_noise, pull * white / scale


def _log_noise_mixed(
    misfit: jax.Array, at: Unpacked, evidence: Mapping[str, Any]
) -> tuple[jax.Array, jax.Array]:
    """Return the same where a share of the runs is badly tuned; of runs that stand alone only."""
    scale, mask, dof = _noise_scale(at, evidence), evidence["mask"], STUDENT_T_DOF
    misfit, share, excess = misfit * mask, at.badly_tuned_share, at.badly_tuned_excess
    distance = (misfit / scale) ** 2
    # Both parts leave out what the Student-t leaves out above, its constant.
    constant = gammaln((dof + 1) / 2) - gammaln(dof / 2) - 0.5 * np.log(dof * np.pi)
    log_tuned = jnp.log1p(-share) - jnp.log(scale) - (dof + 1) / 2 * jnp.log1p(distance / dof)
    log_ndtr = jax.scipy.special.log_ndtr
    log_off = log_density_badly_tuned(misfit, scale, excess, jnp, log_ndtr) - constant
    log_noise = jnp.logaddexp(log_tuned, jnp.log(share) + log_off)
    is_tuned = jnp.exp(log_tuned - log_noise)
    pull_tuned = (dof + 1) / (dof + distance) * misfit / scale**2
    white = misfit / scale - scale / excess
    hazard = jnp.exp(-0.5 * white**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(white))
    pull_off = 1 / excess - hazard / scale
    pull = is_tuned * pull_tuned + (1 - is_tuned) * pull_off
    return jnp.sum(mask * log_noise), mask * pull


def _information(basis: jax.Array, at: Unpacked, evidence: Mapping[str, Any]) -> jax.Array:
    """Return the noise's expected information by the curve times a basis, ``(run, node)``.

    Badly tuned runs count for nothing here, the little that they say of the curve left out: this
    steers the scoring steps and gives the paths' volume, no more.
    """
    scale = _noise_scale(at, evidence)
    white = evidence["mask"] / scale
    masked = white[:, None] ** 2 * basis
    if "badly_tuned" in evidence:
        masked = (1 - at.badly_tuned_share) * masked
    if "trunk" not in evidence:
        return (STUDENT_T_DOF + 1) / (STUDENT_T_DOF + 3) * masked
    count = _by_trunk(evidence["mask"], evidence)
    odds = at.run_share / (1 - at.run_share)
    mean = (odds / (1 + odds * count))[:, None] * _by_trunk(white[:, None] * basis, evidence)
    held = (STUDENT_T_DOF + count) / (STUDENT_T_DOF + count + 2)
    of_run = evidence["trunk"]
    return held[of_run][:, None] * (masked - white[:, None] * mean[of_run])


def _by_trunk(values: jax.Array, evidence: Mapping[str, Any]) -> jax.Array:
    return jax.ops.segment_sum(values, evidence["trunk"], num_segments=len(evidence["mask"]))


@partial(jax.jit, static_argnames="law")
def draw_paths(
    z: jax.Array, normals: jax.Array, evidence: Mapping[str, Any], law: LossLaw
) -> jax.Array:
    """Return steps of the path given each draw, ``(draw, node)``, from standard normals of that shape."""

    def draw(point: jax.Array, normal: jax.Array) -> jax.Array:
        at, misfit = _misfit(point, evidence, law)
        steps, factor = _path(at, misfit, _scaled(at, evidence), evidence)
        # A batched solve with one right-hand side hangs on the CPU (jax 0.10.2); the inverse does not.
        root = jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(steps)), lower=True)
        return steps + root.T @ normal

    return jax.vmap(draw)(z, normals)
