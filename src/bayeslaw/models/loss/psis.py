"""Pareto-smoothed importance sampling: weights one may believe, and when one may not; numpy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from bayeslaw.errors import InvalidInputError

K_HAT_LIMIT = 0.7
"""Above it, importance weights are not to be believed however many draws there are."""

_FEWEST_TAIL = 5  # draws; fewer say nothing about a tail
# Prior on k: worth ten tail draws at a half, so that short tails do not alarm by chance.
_PRIOR_DRAWS = 10.0
_PRIOR_K = 0.5


@dataclass(frozen=True)
class SmoothedWeights:
    """Hold importance weights whose largest were replaced by quantiles of a fitted tail.

    Attributes:
        log_weights: Their logarithms, adding up to 1 as weights, ``(draw,)``.
        k_hat: Shape of the tail of the raw weights: below .5 their variance is finite, above .7
            they are useless; infinite where there are too few draws to tell, 0 where all weights
            are equal.
        n_effective: Draws that an unweighted sample of the same worth would have.
    """

    log_weights: np.ndarray
    k_hat: float
    n_effective: float

    @property
    def weights(self) -> np.ndarray:
        """Weights that add up to 1, ``(draw,)``."""
        return np.exp(self.log_weights)


def smooth_weights(log_ratios: np.ndarray, *, efficiency: float = 1.0) -> SmoothedWeights:
    """Smooth importance ratios by a generalised Pareto distribution.

    Args:
        log_ratios: Log of target over proposal density at each draw, up to a constant, ``(draw,)``;
            minus infinity is a draw that the target rules out.
        efficiency: Effective draws a draw, where draws are of a Markov chain; shorter chains get a
            longer tail.

    Returns:
        Weights, k-hat and effective draws.

    Raises:
        InvalidInputError: A ratio is NaN or infinite, or no draw is possible at all.

    Source:
        Vehtari, Simpson, Gelman, Yao, Gabry (2024), JMLR 25(72), arXiv:1507.02646.

    >>> normals = np.random.default_rng(0).standard_normal(4000)
    >>> wide_to_narrow = smooth_weights(-1.5 * normals**2)
    >>> wide_to_narrow.k_hat < 0.5
    True
    """
    log_ratios = np.asarray(log_ratios, dtype=float)
    _check(log_ratios, efficiency)
    n_draws = len(log_ratios)
    log_weights = log_ratios - log_ratios.max()
    if np.ptp(log_weights) == 0:
        return SmoothedWeights(np.full(n_draws, -math.log(n_draws)), 0.0, float(n_draws))
    n_tail = math.ceil(min(0.2 * n_draws, 3.0 * math.sqrt(n_draws / efficiency)))
    order = np.argsort(log_weights, kind="stable")
    cutoff = max(log_weights[order[-n_tail - 1]], math.log(np.finfo(float).tiny))
    tail = order[-n_tail:]
    # Strictly above as weights, not only as logarithms: an excess of 0 has no place in a tail.
    tail = tail[np.exp(log_weights[tail]) > math.exp(cutoff)]
    k_hat = math.inf
    if len(tail) >= _FEWEST_TAIL:
        excess = np.exp(log_weights[tail]) - math.exp(cutoff)
        k_hat, scale = fit_generalised_pareto(excess)
        if math.isfinite(k_hat):
            middles = (np.arange(len(tail)) + 0.5) / len(tail)
            smoothed = np.logaddexp(_log_quantiles(middles, k_hat, scale), cutoff)
            log_weights[tail] = np.minimum(smoothed, 0.0)
    log_weights -= float(logsumexp(log_weights))
    n_effective = float(np.exp(-logsumexp(2 * log_weights))) * min(efficiency, 1.0)
    return SmoothedWeights(log_weights, k_hat, n_effective)


def fit_generalised_pareto(excess: np.ndarray) -> tuple[float, float]:
    """Return the shape and scale of a generalised Pareto distribution of ascending excesses.

    A profile likelihood over a grid gives a posterior mean, then the shape is drawn a little
    towards one half.

    Args:
        excess: Positive and ascending, ``(draw,)``.

    Source:
        Zhang and Stephens (2009), Technometrics 51(3), with the grid and its prior as there; the
        pull towards one half is that of Vehtari et al. (2024).
    """
    n = len(excess)
    n_grid = 30 + math.isqrt(n)
    quartile = excess[int(n / 4 + 0.5) - 1]
    position = np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    # theta = -k / scale; the largest excess must stay inside the support.
    theta = (1 - position) / (3 * quartile) + 1 / excess[-1]
    shape = np.log1p(-theta[:, None] * excess).mean(axis=1)
    profile = n * (np.log(-theta / shape) - shape - 1)
    weights = np.exp(profile - logsumexp(profile))
    theta_mean = float(weights @ theta)
    k = float(np.log1p(-theta_mean * excess).mean())
    scale = -k / theta_mean
    return (n * k + _PRIOR_DRAWS * _PRIOR_K) / (n + _PRIOR_DRAWS), scale


def _log_quantiles(shares: np.ndarray, shape: float, scale: float) -> np.ndarray:
    """Return logs of the distribution's quantiles; a tail of shape 100 would overflow otherwise."""
    power = -shape * np.log1p(-shares)
    if abs(shape) < 1e-12:
        return math.log(scale) + np.log(-np.log1p(-shares))
    if shape < 0:
        return math.log(scale / -shape) + np.log(-np.expm1(power))
    return math.log(scale) - math.log(shape) + power + np.log(-np.expm1(-power))


def _check(log_ratios: np.ndarray, efficiency: float) -> None:
    if log_ratios.ndim != 1 or len(log_ratios) == 0:
        raise InvalidInputError(
            f"log_ratios must be one number a draw, got shape {log_ratios.shape}"
        )
    if (bad := np.isnan(log_ratios) | (log_ratios == np.inf)).any():
        raise InvalidInputError(
            f"{int(bad.sum())} of {len(log_ratios)} log ratios are NaN or infinite, the first at "
            f"draw {int(np.argmax(bad))}; check the densities that they come from"
        )
    if not np.isfinite(log_ratios).any():
        raise InvalidInputError("every draw has weight 0: the target rules all of them out")
    if not efficiency > 0:
        raise InvalidInputError(f"efficiency must be positive, got {efficiency}")
