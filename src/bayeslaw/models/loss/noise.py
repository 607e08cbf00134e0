"""What is believed of run-to-run noise in log loss."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from bayeslaw.models.loss.contamination import mixed

STUDENT_T_DOF = 6.0
"""Degrees of freedom: a run off by 4 sigma pulls about as much as one off by 2.

Fixed, because a few dozen runs say nothing about a tail.
"""

SIGMA_MEDIAN = 0.01
SIGMA_LOG_SD = 0.8
"""Lognormal prior on sigma, the scale of the noise in log loss.

A seed moves a final loss by .1-.5 %, a law's local misfit by 1-3 % (residuals of our fits to the
public tables: .004-.027), so .002-.05 holds 95 % of it.
"""

RUN_SHARE_LOG_ODDS = 0.7
RUN_SHARE_LOG_ODDS_SD = 1.0
"""Prior on the share of sigma squared that points of one training job have in common.

Points of one trunk of our tiny suite correlate by .61 [.38, .80] (docs/tiny-suite.md); this prior
has its middle at .67 and holds .28-.91.
"""


def log_likelihood(
    misfit: np.ndarray,
    trunk: np.ndarray,
    noise_scale: np.ndarray,
    run_share: np.ndarray,
    badly_tuned_share: np.ndarray | None = None,
    badly_tuned_excess: np.ndarray | None = None,
) -> np.ndarray:
    """Return each run's log density under each draw, given the earlier points of its trunk.

    A run that stands alone has its Student-t density. The points of one training job are one
    multivariate Student-t; a later one has its density given those before it, so that rows add up
    to the whole likelihood.

    Args:
        misfit: Observed log loss minus the curve's, ``(draw, run)``.
        trunk: Which training job each run belongs to, ``(run,)``.
        noise_scale: Of each run, ``(draw, run)``.
        run_share: Share of its square that a job's points have in common, ``(draw,)``.
        badly_tuned_share: Of the runs ``(draw,)``, where that was asked for; none share a job then.
        badly_tuned_excess: Mean that a badly tuned run adds to log loss ``(draw,)``.

    Returns:
        ``(draw, run)``.

    >>> alone = log_likelihood(np.zeros((1, 2)), np.array([0, 1]), np.ones((1, 2)), np.zeros(1))
    >>> alone.round(3).tolist()
    [[-0.96, -0.96]]
    """
    own_scale = noise_scale * np.sqrt(1 - run_share)[:, None]
    odds = run_share / (1 - run_share)
    densities = np.empty_like(misfit)
    for job in np.unique(trunk):
        before, total, square, volume = np.zeros((4, len(misfit)))
        for count, row in enumerate(np.flatnonzero(trunk == job), start=1):
            scaled = misfit[:, row] / own_scale[:, row]
            total, square = total + scaled, square + scaled**2
            volume = volume + np.log(own_scale[:, row])
            shared = 1 + count * odds
            joint = (
                gammaln((STUDENT_T_DOF + count) / 2)
                - gammaln(STUDENT_T_DOF / 2)
                - count / 2 * np.log(STUDENT_T_DOF * np.pi)
                - volume
                - np.log(shared) / 2
                - (STUDENT_T_DOF + count)
                / 2
                * np.log1p((square - odds / shared * total**2) / STUDENT_T_DOF)
            )
            densities[:, row] = joint - before
            before = joint
    if badly_tuned_share is None or badly_tuned_excess is None:
        return densities
    return mixed(densities, misfit, noise_scale, badly_tuned_share, badly_tuned_excess)


def new_run_noise(noise_scale: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the noise in log loss of one more run a candidate, of the shape of its scale."""
    return noise_scale * rng.standard_t(STUDENT_T_DOF, noise_scale.shape)
