"""What is believed of run-to-run noise in log loss."""

from __future__ import annotations

import numpy as np
from scipy import stats

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


def sigma_from_unconstrained(z: np.ndarray) -> np.ndarray:
    """Return sigma from its standard-normal coordinate."""
    return SIGMA_MEDIAN * np.exp(SIGMA_LOG_SD * z)


def log_likelihood(log_loss: np.ndarray, predicted: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return each run's log density under each draw, unweighted, ``(draw, run)``.

    Args:
        log_loss: Observed, ``(run,)``.
        predicted: Under each draw, ``(draw, run)``.
        sigma: ``(draw,)``.
    """
    return stats.t.logpdf(log_loss, STUDENT_T_DOF, loc=predicted, scale=sigma[:, None])
