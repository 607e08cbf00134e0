"""The Gaussian around the mode, and draws from it corrected towards the posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.models.loss.density import hessian, log_densities
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.notes import Note

SMALLEST_PRECISION = 0.25
"""Below this (a standard deviation twice the prior's) curvature at a mode is not believed."""


N_PROPOSALS = 8192
PROPOSAL_DOF = 8.0
"""Proposals come from a Student t, so that the posterior's tails are never under-proposed."""

FEWEST_EFFECTIVE = 200.0
# A covariance from fewer effective draws a coordinate would be noise.
_FEWEST_TO_REFIT = 10.0


@dataclass(frozen=True)
class Gaussian:
    """Hold a mean ``(coordinate,)`` and a square root of the covariance, with notes."""

    mean: np.ndarray
    scale: np.ndarray
    notes: tuple[Note, ...]


def resample(
    law: LossLaw, evidence: Mapping[str, Any], gaussian: Gaussian, n_draws: int, *, seed: int
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Draw around the mode and keep draws in proportion to posterior over proposal density.

    A Gaussian alone is too wide wherever the posterior bends: predictions of a nine-coefficient
    law had upper ends twice as far out as NUTS's. Where it is too narrow (a long tail), proposals
    miss what it misses, so a second round proposes around the mean and covariance of the first:
    sds of predictions were .72-.85 of NUTS's before, .88-.95 after (docs/log.md, 2026-11-22).

    Returns:
        Draws ``(draw, coordinate)``, some of them repeated, and a note when few were effective.

    Source:
        Truncated weights: Ionides (2008), J. Comput. Graph. Stat. 17(2).
    """
    rng = np.random.default_rng([seed, 0])
    z, weights, effective = _propose(law, evidence, gaussian.mean, gaussian.scale, rng)
    if effective > _FEWEST_TO_REFIT * len(gaussian.mean):
        mean = weights @ z
        scale = np.linalg.cholesky(np.cov(z.T, aweights=weights))
        z, weights, effective = _propose(law, evidence, mean, scale, rng)
    # Systematic resampling: one uniform, the least added noise; then a shuffle, so that thinning
    # by position is fair.
    positions = (rng.random() + np.arange(n_draws)) / n_draws
    chosen = np.searchsorted(np.cumsum(weights), positions * (1 - 1e-12))
    notes = ()
    if effective < FEWEST_EFFECTIVE:
        notes = (
            Note(
                "laplace_far_from_posterior",
                "warning",
                f"only {effective:.0f} of {N_PROPOSALS} draws around the mode are effective: the "
                f"posterior is far from Gaussian, so use method='nuts'",
            ),
        )
    return z[rng.permutation(chosen)], notes


def _propose(
    law: LossLaw,
    evidence: Mapping[str, Any],
    mean: np.ndarray,
    scale: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return proposals ``(proposal, coordinate)``, their weights and how many are effective."""
    normals = rng.standard_normal((N_PROPOSALS, len(mean)))
    mixing = np.sqrt(PROPOSAL_DOF / rng.chisquare(PROPOSAL_DOF, N_PROPOSALS))
    white = normals * mixing[:, None]
    z = mean + white @ scale.T
    log_proposal = -(PROPOSAL_DOF + len(mean)) / 2 * np.log1p((white**2).sum(axis=1) / PROPOSAL_DOF)
    log_weights = np.asarray(log_densities(z, evidence, law)) - log_proposal
    weights = np.exp(log_weights - log_weights.max())
    weights = np.minimum(weights, weights.mean() * np.sqrt(N_PROPOSALS))
    weights /= weights.sum()
    return z, weights, float(1 / (weights**2).sum())


def approximate(law: LossLaw, evidence: Mapping[str, Any], mode: np.ndarray) -> Gaussian:
    """Return the Laplace approximation at the mode.

    The prior alone has precision 1 in each coordinate; heavy-tailed noise can push a direction
    below that. A direction below `SMALLEST_PRECISION` is set to it, with a note.
    """
    precision = -np.asarray(hessian(mode, evidence, law))
    values, vectors = np.linalg.eigh((precision + precision.T) / 2)
    notes = ()
    if (low := values < SMALLEST_PRECISION).any():
        notes = (
            Note(
                "laplace_curvature_repaired",
                "warning",
                f"{int(low.sum())} of {len(values)} directions at the mode are flat or curved the "
                f"wrong way (smallest precision {values.min():.2g}) and were set to "
                f"{SMALLEST_PRECISION}; the intervals are rough, so use method='nuts'",
            ),
        )
    scale = vectors / np.sqrt(np.maximum(values, SMALLEST_PRECISION))
    return Gaussian(mean=mode, scale=scale, notes=notes)
