"""Two small Bayesian classifiers in NumPy: a logistic regression and a monotone threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAX_STEPS = 100
_N_NODES = 21


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * logit))


@dataclass(frozen=True)
class LogisticRegression:
    """Hold a normal approximation of the coefficients; build it with `fit_logistic`.

    Attributes:
        centre: Of the features, which the intercept stands for ``(feature,)``.
        mean: Of intercept and slopes ``(1 + feature,)``.
        covariance: Theirs ``(1 + feature, 1 + feature)``.
    """

    centre: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return P(yes), the coefficients integrated out, ``(row,)`` for ``(row, feature)``."""
        design = _design(features, self.centre)
        location = design @ self.mean
        spread = np.sqrt(np.einsum("ri,ij,rj->r", design, self.covariance, design))
        nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
        return _sigmoid(location[:, None] + spread[:, None] * nodes) @ (weights / weights.sum())


def fit_logistic(
    features: np.ndarray, is_yes: np.ndarray, prior_mean: np.ndarray, prior_sd: np.ndarray
) -> LogisticRegression:
    """Fit logit P(yes) = intercept + slopes (features - centre) by Laplace's approximation.

    Args:
        features: ``(row, feature)``; their means are the centre.
        is_yes: ``(row,)``.
        prior_mean: Of intercept and slopes ``(1 + feature,)``.
        prior_sd: Of each, independent and normal ``(1 + feature,)``.

    Source:
        Rasmussen and Williams (2006), section 3.4, for linear features.
    """
    centre = features.mean(axis=0) if len(features) else np.zeros(features.shape[1])
    design, target = _design(features, centre), is_yes.astype(np.float64)
    precision = np.diag(1.0 / prior_sd**2)

    def negative_log_density(theta: np.ndarray) -> float:
        logit, off = design @ theta, theta - prior_mean
        return float(
            (np.logaddexp(0.0, logit) - target * logit).sum() + 0.5 * off @ precision @ off
        )

    theta = prior_mean.astype(np.float64)
    for _ in range(_MAX_STEPS):
        p = _sigmoid(design @ theta)
        gradient = design.T @ (p - target) + precision @ (theta - prior_mean)
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + precision
        step = np.linalg.solve(hessian, gradient)
        size, here = 1.0, negative_log_density(theta)
        # The density is log-concave, so a shorter step always gets there.
        while size > 1e-6 and negative_log_density(theta - size * step) > here:
            size /= 2
        theta = theta - size * step
        if np.abs(step).max() < 1e-9:
            break
    p = _sigmoid(design @ theta)
    hessian = design.T @ (design * (p * (1 - p))[:, None]) + precision
    return LogisticRegression(centre, theta, np.linalg.inv(hessian))


@dataclass(frozen=True)
class Threshold:
    """Hold a posterior over where, and how sharply, no turns into yes; build it with `fit_threshold`.

    Attributes:
        level: Feature at which P(yes) is a half, of each grid point ``(point,)``.
        slope: Logits a unit of the feature, positive ``(point,)``.
        weight: Posterior probability of the point ``(point,)``.
    """

    level: np.ndarray
    slope: np.ndarray
    weight: np.ndarray

    def probability(self, feature: np.ndarray) -> np.ndarray:
        """Return P(yes) ``(row,)`` for ``(row,)``; it never falls as the feature grows."""
        return _sigmoid(self.slope * (feature[:, None] - self.level)) @ self.weight


def fit_threshold(
    feature: np.ndarray,
    is_yes: np.ndarray,
    *,
    level_mean: float,
    level_sd: float,
    log_slope_mean: float,
    log_slope_sd: float,
) -> Threshold:
    """Fit P(yes) = sigmoid(slope (feature - level)), slope > 0, exactly on a grid.

    A threshold separates no from yes completely in most data, where a Laplace approximation
    would be far too sure; two unknowns are few enough for a grid.

    Args:
        feature: ``(row,)``.
        is_yes: ``(row,)``.
        level_mean: Of the normal prior on the level.
        level_sd: Its standard deviation.
        log_slope_mean: Of the normal prior on log slope.
        log_slope_sd: Its standard deviation.
    """
    z = np.linspace(-3.5, 3.5, 141)
    level = level_mean + level_sd * z
    log_slope = log_slope_mean + log_slope_sd * z[::7]
    levels, log_slopes = (grid.ravel() for grid in np.meshgrid(level, log_slope))
    slopes = np.exp(log_slopes)
    logits = slopes[:, None] * (feature - levels[:, None])
    log_likelihood = (is_yes * logits - np.logaddexp(0.0, logits)).sum(axis=1)
    off = ((levels - level_mean) / level_sd) ** 2 + (
        (log_slopes - log_slope_mean) / log_slope_sd
    ) ** 2
    log_weight = log_likelihood - 0.5 * off
    weight = np.exp(log_weight - log_weight.max())
    return Threshold(levels, slopes, weight / weight.sum())


def _design(features: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(features), 1)), features - centre], axis=1)
