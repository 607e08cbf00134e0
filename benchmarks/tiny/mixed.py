"""A mixed linear model by Bayes: fixed effects, and the sizes of several kinds of error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

from bayeslaw.errors import UndecidedError

_N_PROPOSED = 200
_MAX_ROUNDS = 12
_DOF = 5.0
# Interval ends from 250 draws are good to a tenth of the interval; fewer than 100 are refused.
_ENOUGH = 250
_LEAST = 100


@dataclass(frozen=True)
class Component:
    """Name one kind of error: Gaussian, with covariance ``sd**2 * kernel``.

    Attributes:
        name: Of the error.
        kernel: ``(point, point)``.
        median: Of the lognormal prior on sd, in log loss.
        log_sd: Of that prior; 1.5 holds a factor of 12 either way at 90 %.
    """

    name: str
    kernel: np.ndarray
    median: float = 0.003
    log_sd: float = 1.5


@dataclass(frozen=True)
class MixedFit:
    """Hold draws of a mixed model's unknowns.

    Attributes:
        effects: Fixed effects ``(draw, column)``.
        sds: Sd of each kind of error by name, each ``(draw,)``.
        n_effective: Effective draws of the sds: Kish's, of the importance weights.
    """

    effects: np.ndarray
    sds: dict[str, np.ndarray]
    n_effective: float


def fit_mixed(
    response: np.ndarray,
    design: np.ndarray,
    components: Sequence[Component],
    *,
    seed: int,
    known: np.ndarray | None = None,
    n_draws: int = 1000,
) -> MixedFit:
    """Draw fixed effects and error sds given ``y ~ N(X b, known + sum_k sd_k^2 K_k)``.

    Fixed effects have flat priors and are integrated out exactly (what is left is the restricted
    likelihood), so few trunks cost degrees of freedom as they should. The sds' posterior has as
    many dimensions as there are kinds: it is sampled by adaptive importance.

    Args:
        response: ``(point,)``.
        design: ``(point, column)``, of full column rank; no columns is fine.
        components: Kinds of error; one should be the identity.
        seed: Of the draws.
        known: Covariance that has no unknown, ``(point, point)``.
        n_draws: Draws returned.

    Raises:
        UndecidedError: The design is not of full rank, or the sampler found too few draws.

    Source:
        Harville (1974), Biometrika 61:383, for the restricted likelihood as a marginal posterior.
    """
    n_points, n_columns = design.shape
    if n_columns and np.linalg.matrix_rank(design) < n_columns:
        raise UndecidedError(
            f"the {n_columns} columns of the design are not independent over {n_points} points: "
            f"the suite cannot tell these effects apart"
        )
    fixed = np.zeros((n_points, n_points)) if known is None else known
    contrasts = _null_space(design)
    kernels = [contrasts.T @ c.kernel @ contrasts for c in components]
    base = contrasts.T @ fixed @ contrasts
    left = contrasts.T @ response
    centre = np.log([c.median for c in components])
    spread = np.array([c.log_sd for c in components])

    def log_density(log_sds: np.ndarray) -> float:
        prior = -0.5 * (((log_sds - centre) / spread) ** 2).sum()
        return prior + _log_normal(left, _covariance(base, kernels, log_sds))

    rng = np.random.default_rng([seed, n_points, len(components)])
    log_sds, n_effective = _sample(log_density, centre, spread, rng, n_draws)
    effects = _draw_effects(response, design, components, fixed, log_sds, rng)
    sds = {c.name: np.exp(log_sds[:, k]) for k, c in enumerate(components)}
    return MixedFit(effects, sds, n_effective)


def _sample(
    log_density: Callable[[np.ndarray], float],
    centre: np.ndarray,
    spread: np.ndarray,
    rng: np.random.Generator,
    n_draws: int,
) -> tuple[np.ndarray, float]:
    """Return draws ``(draw, dimension)`` by adaptive importance, and how many they are worth.

    Source:
        Cornuet, Marin, Mira, Robert (2012), Scandinavian Journal of Statistics 39:798: every
        round's points are weighted by the mixture of all rounds' proposals.
    """
    n_dimensions = len(centre)
    location = optimize.minimize(
        lambda z: -log_density(centre + spread * z),
        np.zeros(n_dimensions),
        method="L-BFGS-B",
        bounds=[(-4.0, 4.0)] * n_dimensions,
        options={"maxiter": 60},
    ).x
    scale = 0.3 * np.eye(n_dimensions)
    proposals: list[tuple[np.ndarray, np.ndarray]] = []
    points, heights = np.empty((0, n_dimensions)), np.empty(0)
    weights, n_effective = np.empty(0), 0.0
    while len(proposals) < _MAX_ROUNDS and n_effective < _ENOUGH:
        root = np.linalg.cholesky(scale)
        proposals.append((location, root))
        mixing = np.sqrt(rng.chisquare(_DOF, _N_PROPOSED) / _DOF)
        normals = rng.standard_normal((_N_PROPOSED, n_dimensions))
        new = location + normals / mixing[:, None] @ root.T
        points = np.concatenate([points, new])
        heights = np.append(heights, [log_density(centre + spread * z) for z in new])
        log_weights = heights - _log_mixture(points, proposals)
        weights, n_effective = _normalised(log_weights)
        # Weights are flattened as far as the next proposal needs, so that one lucky point does
        # not become all of it.
        power = 1.0
        flat, n_flat = weights, n_effective
        while n_flat < min(20 * n_dimensions, 0.2 * len(points)):
            power *= 0.7
            flat, n_flat = _normalised(power * log_weights)
        location = flat @ points
        away = points - location
        scale = 1.2 * (away * flat[:, None]).T @ away + 1e-4 * np.eye(n_dimensions)
    if n_effective < _LEAST:
        raise UndecidedError(
            f"importance sampling of {n_dimensions} error sds is worth {n_effective:.0f} draws, "
            f"fewer than {_LEAST}; give fewer kinds of error"
        )
    # Systematic resampling: one random number, so the draws are as even as can be.
    steps = (rng.random() + np.arange(n_draws)) / n_draws
    chosen = np.minimum(np.searchsorted(np.cumsum(weights), steps), len(weights) - 1)
    return centre + spread * points[chosen], n_effective


def _normalised(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights that sum to 1 and Kish's effective number."""
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights, 1 / float((weights**2).sum())


def _log_mixture(
    points: np.ndarray, proposals: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Return the log density, up to a constant, of an equal mixture of t distributions."""
    logs = []
    for location, root in proposals:
        away = linalg.solve_triangular(root, (points - location).T, lower=True, check_finite=False)
        distance = (away**2).sum(axis=0) / _DOF
        tail = 0.5 * (_DOF + points.shape[1]) * np.log1p(distance)
        logs.append(-np.log(np.diag(root)).sum() - tail)
    return special.logsumexp(logs, axis=0) - np.log(len(proposals))


def _draw_effects(
    response: np.ndarray,
    design: np.ndarray,
    components: Sequence[Component],
    fixed: np.ndarray,
    log_sds: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    effects = np.empty((len(log_sds), design.shape[1]))
    if not design.shape[1]:
        return effects
    kernels = [c.kernel for c in components]
    previous = None
    for i, row in enumerate(log_sds):
        # Resampled draws repeat their neighbours.
        if previous is None or not np.array_equal(row, previous[0]):
            lower = np.linalg.cholesky(_covariance(fixed, kernels, row))
            both = np.column_stack([design, response])
            whitened = linalg.solve_triangular(lower, both, lower=True, check_finite=False)
            q, r = np.linalg.qr(whitened[:, :-1])
            previous = (row, r, q.T @ whitened[:, -1])
        _, r, projected = previous
        noise = rng.standard_normal(design.shape[1])
        effects[i] = linalg.solve_triangular(r, projected + noise, check_finite=False)
    return effects


def _null_space(design: np.ndarray) -> np.ndarray:
    """Return orthonormal contrasts ``(point, point - column)`` that the design does not move."""
    n_points, n_columns = design.shape
    if not n_columns:
        return np.eye(n_points)
    return np.linalg.qr(design, mode="complete")[0][:, n_columns:]


def _covariance(base: np.ndarray, kernels: Sequence[np.ndarray], log_sds: np.ndarray) -> np.ndarray:
    total = base + 1e-12 * np.eye(len(base))
    for kernel, log_sd in zip(kernels, log_sds, strict=True):
        total += np.exp(2 * log_sd) * kernel
    return total


def _log_normal(values: np.ndarray, covariance: np.ndarray) -> float:
    lower = np.linalg.cholesky(covariance)
    whitened = linalg.solve_triangular(lower, values, lower=True, check_finite=False)
    return float(-np.log(np.diag(lower)).sum() - 0.5 * whitened @ whitened)
