"""Runs whose learning rate or batch was off: noise with a second part that only raises a loss.

A missed recipe never lowers a loss, so symmetric tails are the wrong cure: where a third of the runs
of a sweep are off, a Student-t's centre moves up with them, and the floor of the law with it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from scipy import special

from bayeslaw.models.loss.laws.law import Array

SHARE_LOG_ODDS = float(np.log(0.1 / 0.9))
SHARE_LOG_ODDS_SD = 1.0
"""Prior on the share of badly tuned runs: middle .1, 95 % in .015-.44."""

EXCESS_MEDIAN = 0.05
EXCESS_LOG_SD = 0.8
"""Lognormal prior on the mean that a badly tuned run adds to log loss: 95 % in .01-.24."""


def log_density_badly_tuned(
    misfit: Array,
    scale: Array,
    excess: Array,
    xp: ModuleType = np,
    log_ndtr: Callable[[Any], Any] = special.log_ndtr,
) -> Array:
    """Return the log density of Gaussian noise plus an exponentially distributed excess.

    Args:
        misfit: Observed log loss minus the curve's.
        scale: Of the Gaussian part, that of a tuned run.
        excess: Mean of the exponential part.
        xp: numpy or jax.numpy.
        log_ndtr: That library's logarithm of the normal distribution function.

    Returns:
        Of the shape that the arguments broadcast to.

    Source:
        The exponentially modified Gaussian: Grushka (1972), Analytical Chemistry 44(11).

    >>> at, step = np.linspace(-1, 3, 40001, retstep=True)
    >>> density = np.exp(log_density_badly_tuned(at, np.array(0.02), np.array(0.1)))
    >>> [round(float((density * at**power).sum() * step), 4) for power in (0, 1, 2)]
    [1.0, 0.1, 0.0204]
    """
    ratio = scale / excess
    return ratio**2 / 2 - misfit / excess - xp.log(excess) + log_ndtr(misfit / scale - ratio)


def below_badly_tuned(misfit: np.ndarray, scale: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Return the probability that a badly tuned run's misfit lies below, of the arguments' shape."""
    tail = np.exp(log_density_badly_tuned(misfit, scale, excess) + np.log(excess))
    return special.ndtr(misfit / scale) - tail


def mixed(
    log_tuned: np.ndarray,
    misfit: np.ndarray,
    scale: np.ndarray,
    share: np.ndarray,
    excess: np.ndarray,
) -> np.ndarray:
    """Return each run's log density where a share of the runs is badly tuned, ``(draw, run)``.

    Args:
        log_tuned: Log density of a tuned run ``(draw, run)``.
        misfit: Observed log loss minus the curve's, ``(draw, run)``.
        scale: Of a tuned run's noise ``(draw, run)``.
        share: Of badly tuned runs ``(draw,)``.
        excess: Mean that one adds to log loss ``(draw,)``.
    """
    log_off = log_density_badly_tuned(misfit, scale, excess[:, None])
    return np.logaddexp(np.log1p(-share)[:, None] + log_tuned, np.log(share)[:, None] + log_off)


def excess_of_new_runs(
    shape: tuple[int, int], share: np.ndarray, excess: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return what new runs of nobody's tuning add to log loss, ``(draw, run)``; mostly nothing."""
    is_off = rng.random(shape) < share[:, None]
    return is_off * excess[:, None] * rng.standard_exponential(shape)
