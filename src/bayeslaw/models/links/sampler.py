"""Draw from the posterior of a link's few coefficients: sequential Monte Carlo, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import UndecidedError

# Each step up from the prior keeps this share of the particles effective.
_EFFECTIVE_SHARE = 0.5
_MOVES = 12
_MOST_STEPS = 60


@dataclass(frozen=True)
class Particles:
    """Hold draws of a posterior over standard-normal coordinates.

    Attributes:
        z: Draws ``(draw, coordinate)``.
        n_steps: Temperatures from the prior to the posterior [count].
        acceptance: Share of the last round's moves that were taken.
        log_evidence: Log of the likelihood's mean over the prior.
    """

    z: np.ndarray
    n_steps: int
    acceptance: float
    log_evidence: float


def sample(
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    n_coordinates: int,
    *,
    n_draws: int,
    seed: int,
) -> Particles:
    """Carry draws of the prior to the posterior, one temperature after another.

    A link has few coefficients, and a bent posterior (asymptote, gain and rate trade off), so
    draws that start everywhere in the prior and need no gradient do better than a Gaussian around
    a mode. Each temperature is the one that leaves half of the draws effective; then all are
    resampled and moved by a random walk as wide as they are spread.

    Args:
        log_likelihood: From ``(draw, coordinate)`` to ``(draw,)``; the prior of every coordinate
            is Normal(0, 1).
        n_coordinates: How many there are.
        n_draws: Draws wanted.
        seed: Of everything random.

    Raises:
        UndecidedError: No draw of the prior has a finite likelihood.

    Source:
        Del Moral, Doucet, Jasra (2006), J. R. Statist. Soc. B 68(3), section 3; temperatures by
        effective sample size, Jasra et al. (2011), Scand. J. Stat. 38(1).

    >>> peak = lambda z: -0.5 * ((z[:, 0] - 2.0) / 0.5) ** 2
    >>> drawn = sample(peak, 1, n_draws=4000, seed=0)
    >>> [round(float(figure), 1) for figure in (drawn.z.mean(), drawn.z.std())]
    [1.6, 0.4]
    """
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n_draws, n_coordinates))
    current = _finite(log_likelihood(z))
    if not np.isfinite(current).any():
        raise UndecidedError(
            "no draw of the prior gives the runs a finite likelihood; check the units of losses "
            "(nats per token) and errors (shares of 1)"
        )
    temperature, log_evidence, acceptance = 0.0, 0.0, 1.0
    for step in range(1, _MOST_STEPS + 1):
        rise = _next_rise(current, 1.0 - temperature)
        weights = np.exp(rise * (current - current.max()))
        log_evidence += float(np.log(weights.mean()) + rise * current.max())
        temperature += rise
        # Systematic resampling: one uniform, the least added noise.
        positions = (rng.random() + np.arange(n_draws)) / n_draws
        chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), positions * (1 - 1e-12))
        z, current = z[chosen], current[chosen]
        z, current, acceptance = _move(z, current, temperature, log_likelihood, rng)
        if temperature >= 1.0:
            return Particles(z[rng.permutation(n_draws)], step, acceptance, log_evidence)
    raise UndecidedError(
        f"{_MOST_STEPS} temperatures did not lead from the prior to the posterior (reached "
        f"{temperature:.3g}); a loss or an error is far from what the link can make"
    )


def _move(
    z: np.ndarray,
    current: np.ndarray,
    temperature: float,
    log_likelihood: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, float]:
    n_draws, n_coordinates = z.shape
    spread = np.cov(z.T).reshape(n_coordinates, n_coordinates)
    lower = np.linalg.cholesky(spread + 1e-10 * np.eye(n_coordinates))
    taken = []
    for move in range(_MOVES):
        # Steps of Roberts and Rosenthal's length, with shorter and longer ones between them.
        length = 2.38 / np.sqrt(n_coordinates) * (0.3, 0.7, 1.2)[move % 3]
        proposed = z + length * rng.standard_normal(z.shape) @ lower.T
        value = _finite(log_likelihood(proposed))
        log_ratio = temperature * (value - current) + 0.5 * (z**2 - proposed**2).sum(axis=1)
        accepted = np.log(rng.random(n_draws)) < log_ratio
        z = np.where(accepted[:, None], proposed, z)
        current = np.where(accepted, value, current)
        taken.append(accepted.mean())
    return z, current, float(np.mean(taken))


def _next_rise(log_likelihood: np.ndarray, most: float) -> float:
    def effective_share(rise: float) -> float:
        weights = np.exp(rise * (log_likelihood - log_likelihood.max()))
        return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))

    if effective_share(most) >= _EFFECTIVE_SHARE:
        return most
    low, high = -60.0, float(np.log(most))
    for _ in range(50):  # bisection: the share falls as the rise grows
        middle = (low + high) / 2
        if effective_share(float(np.exp(middle))) >= _EFFECTIVE_SHARE:
            low = middle
        else:
            high = middle
    return float(np.exp(low))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf)
