"""The Gaussian around the mode, and draws from it corrected towards the posterior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.models.loss.gradients import curvature, values_and_slopes
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.psis import K_HAT_LIMIT, SmoothedWeights, smooth_weights
from bayeslaw.models.notes import Note

SMALLEST_PRECISION = 0.25
"""Below this (a standard deviation twice the prior's) curvature at a mode is not believed."""


N_PROPOSALS = 4096
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
    law: LossLaw,
    evidence: Mapping[str, Any],
    gaussian: Gaussian,
    n_draws: int,
    *,
    seed: int,
    n_proposals: int = N_PROPOSALS,
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Draw around the mode and keep draws in proportion to posterior over proposal density.

    A Gaussian alone is too wide wherever the posterior bends: predictions of a nine-coefficient
    law had upper ends twice as far out as NUTS's. Where it is too narrow (a long tail), proposals
    miss what it misses, so a second round proposes around the mean and covariance of the first:
    sds of predictions were .72-.85 of NUTS's before, .88-.95 after (docs/log.md, 2026-11-22).

    Returns:
        Draws ``(draw, coordinate)``, some of them repeated, and a note of the weights' k-hat: a
        warning where it says that the approximation will not do.

    Source:
        Pareto-smoothed weights: see `psis`.
    """
    rng = np.random.default_rng([seed, 0])
    z, found = _propose(law, evidence, gaussian.mean, gaussian.scale, n_proposals, rng)
    if found.n_effective > _FEWEST_TO_REFIT * len(gaussian.mean):
        mean = found.weights @ z
        scale = np.linalg.cholesky(np.cov(z.T, aweights=found.weights))
        again, better = _propose(law, evidence, mean, scale, n_proposals, rng)
        if better.n_effective > found.n_effective:
            z, found = again, better
    # Systematic resampling: one uniform, the least added noise; then a shuffle, so that thinning
    # by position is fair.
    positions = (rng.random() + np.arange(n_draws)) / n_draws
    edges = np.cumsum(found.weights)
    chosen = np.searchsorted(edges / edges[-1], positions * (1 - 1e-12))
    return z[rng.permutation(chosen)], (_verdict(found, n_proposals),)


def _verdict(found: SmoothedWeights, n_proposals: int) -> Note:
    worth = (
        f"k-hat {found.k_hat:.2f}, {found.n_effective:.0f} of {n_proposals} draws around the mode "
        f"effective"
    )
    if found.k_hat > K_HAT_LIMIT or found.n_effective < FEWEST_EFFECTIVE:
        return Note(
            "laplace_far_from_posterior",
            "warning",
            f"{worth} (asked: at most {K_HAT_LIMIT}, at least {FEWEST_EFFECTIVE:.0f}): the "
            f"posterior is far from Gaussian, so use method='nuts'",
        )
    return Note("laplace_k_hat", "info", f"{worth}: the Laplace approximation will do")


def _propose(
    law: LossLaw,
    evidence: Mapping[str, Any],
    mean: np.ndarray,
    scale: np.ndarray,
    n_proposals: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, SmoothedWeights]:
    """Return proposals ``(proposal, coordinate)`` and their smoothed weights."""
    normals = rng.standard_normal((n_proposals, len(mean)))
    mixing = np.sqrt(PROPOSAL_DOF / rng.chisquare(PROPOSAL_DOF, n_proposals))
    white = normals * mixing[:, None]
    z = mean + white @ scale.T
    log_proposal = -(PROPOSAL_DOF + len(mean)) / 2 * np.log1p((white**2).sum(axis=1) / PROPOSAL_DOF)
    values = values_and_slopes(z, evidence, law)[0]
    # Where the law overflows there is no density: such a proposal is never drawn.
    return z, smooth_weights(np.where(np.isfinite(values), values, -np.inf) - log_proposal)


def approximate(law: LossLaw, evidence: Mapping[str, Any], mode: np.ndarray) -> Gaussian:
    """Return the Laplace approximation at the mode.

    The prior alone has precision 1 in each coordinate; heavy-tailed noise can push a direction
    below that. A direction below `SMALLEST_PRECISION` is set to it, with a note.
    """
    values, vectors = np.linalg.eigh(-curvature(mode, evidence, law))
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
