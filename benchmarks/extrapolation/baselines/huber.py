"""Hoffmann's approach 3, many fits at once: Huber on log loss by a damped Gauss-Newton method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DELTA = 1e-3
"""Hoffmann et al. (2022), arXiv:2203.15556: beyond a residual of .001 in log loss, absolute value."""

# A fit rests once so many steps in a row gained less than the tolerated share of its objective.
_PATIENCE = 6
# Fits whose work arrays stay in a core's cache: a third less time than 512 at once.
_CHUNK = 64


@dataclass(frozen=True)
class HuberFits:
    """Hold fits of ``log L = log(A / N**alpha + B / D**beta + E)``, one a row.

    Attributes:
        theta: ``(fit, 5)``: log A, log B (at the centre of the runs), log E, alpha, beta.
        objective: Sum over runs of count times Huber's loss ``(fit,)``.
        centre: Mean log N and log D, where the amplitudes hold.
        has_settled: Whether the fit came to rest ``(fit,)``.
    """

    theta: np.ndarray
    objective: np.ndarray
    centre: tuple[float, float]
    has_settled: np.ndarray

    def log_losses(self, n: np.ndarray, n_tokens: np.ndarray) -> np.ndarray:
        """Return log loss under each fit, ``(fit, run)``."""
        x, y = np.log(n) - self.centre[0], np.log(n_tokens) - self.centre[1]
        return _terms(self.theta, x, y)[0]

    def coefficients(self) -> dict[str, np.ndarray]:
        """Return E, A, alpha, B and beta in the law's own form, each ``(fit,)``."""
        a, b, e, alpha, beta = self.theta.T
        with np.errstate(over="ignore"):  # a fit that ran away is not hidden: its A is inf
            return {
                "E": np.exp(e),
                "A": np.exp(a + alpha * self.centre[0]),
                "alpha": alpha,
                "B": np.exp(b + beta * self.centre[1]),
                "beta": beta,
            }

    def best(self) -> HuberFits:
        """Return the fit with the smallest objective alone."""
        row = [int(np.argmin(self.objective))]
        return HuberFits(self.theta[row], self.objective[row], self.centre, self.has_settled[row])


def fit_huber(
    n: np.ndarray,
    n_tokens: np.ndarray,
    loss_nats: np.ndarray,
    counts: np.ndarray,
    starts: np.ndarray,
    *,
    max_steps: int = 400,
    tolerance: float = 1e-9,
) -> HuberFits:
    """Minimise ``sum count * Huber(log L_hat - log L)`` from every start.

    Huber with a width far below the residuals is all but the sum of their absolute values, whose
    minimum quasi-Newton methods creep towards. So the curvature is taken from the residuals inside
    the width (there Huber is a parabola; Gauss-Newton, as the law is all but linear over .001) plus
    a damped share of that of the parabolas which touch Huber's loss from above at the others
    (reweighted least squares, which always descends). The damping adapts, a fit at a time.

    Args:
        n: Sizes ``(run,)``.
        n_tokens: Training tokens ``(run,)``.
        loss_nats: Final losses ``(run,)``.
        counts: How often each fit counts each run, ``(fit, run)``; ones for plain fits.
        starts: From `starting_points` or of an earlier fit of these runs, ``(fit, 5)``.
        max_steps: After which a fit stops, settled or not.
        tolerance: Share of its objective below which a gain counts as none.
    """
    centre = (float(np.log(n).mean()), float(np.log(n_tokens).mean()))
    data = (np.log(n) - centre[0], np.log(n_tokens) - centre[1], np.log(loss_nats))
    parts = [
        _descend(*data, counts[at : at + _CHUNK], starts[at : at + _CHUNK], max_steps, tolerance)
        for at in range(0, len(starts), _CHUNK)
    ]
    theta, objective, has_settled = (np.concatenate(part) for part in zip(*parts, strict=True))
    return HuberFits(theta, objective, centre, has_settled)


def starting_points(loss_nats: np.ndarray) -> np.ndarray:
    """Return 75 starts ``(start, 5)``: five values of each exponent, three shares of the floor.

    Amplitudes are at the centre of the runs, where the terms share what the floor leaves evenly.
    Measured: scipy's L-BFGS-B from all 4,500 of Hoffmann's starts ends within 1e-16 of the best of
    these on the public rows of Chinchilla (Epoch), Marin dclm and Gadre rpj; on morph's, where E runs
    to zero along a flat valley, 7e-10 lower (2e-6 of the objective).
    """
    exponents = (0.05, 0.2, 0.4, 0.8, 1.5)
    grid = np.meshgrid(exponents, exponents, (0.2, 0.6, 0.9), indexing="ij")
    alpha, beta, floor = (values.ravel() for values in grid)
    level = np.log(loss_nats).mean()
    half = level + np.log((1 - floor) / 2)
    return np.stack([half, half, level + np.log(floor), alpha, beta], axis=1)


def _terms(
    theta: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return log loss and the shares of its three terms, each ``(fit, run)``."""
    a, b, e, alpha, beta = theta.T[:, :, None]
    size, data = a - alpha * x, b - beta * y
    top = np.maximum(np.maximum(size, data), e)
    parts = np.exp(size - top), np.exp(data - top), np.exp(e - top)
    total = parts[0] + parts[1] + parts[2]
    return top + np.log(total), (parts[0] / total, parts[1] / total, parts[2] / total)


def _huber(residual: np.ndarray, counts: np.ndarray) -> np.ndarray:
    size = np.abs(residual)
    inside = np.minimum(size, DELTA)
    return np.sum(counts * inside * (size - 0.5 * inside), axis=1)


def _descend(
    x: np.ndarray,
    y: np.ndarray,
    log_loss: np.ndarray,
    counts: np.ndarray,
    starts: np.ndarray,
    max_steps: int,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    theta = starts.copy()
    objective = _huber(_terms(theta, x, y)[0] - log_loss, counts)
    damping = np.full(len(theta), 1.0)
    rest = np.zeros(len(theta), int)
    for _ in range(max_steps):
        moving = np.flatnonzero(rest < _PATIENCE)
        if not len(moving):
            break
        here, often = theta[moving], counts[moving]
        trial = here - _step(here, x, y, log_loss, often, damping[moving])
        reached = _huber(_terms(trial, x, y)[0] - log_loss, often)
        # A step into overflow is no number, hence no gain.
        gain = np.nan_to_num(objective[moving] - reached, nan=-1.0, posinf=-1.0, neginf=-1.0)
        is_better = gain > 0
        theta[moving[is_better]] = trial[is_better]
        small = gain <= tolerance * objective[moving]
        objective[moving[is_better]] = reached[is_better]
        damping[moving] = np.clip(damping[moving] * np.where(is_better, 0.3, 5.0), 1e-6, 1e9)
        rest[moving] = np.where(small, rest[moving] + 1, 0)
    return theta, objective, rest >= _PATIENCE


def _step(
    theta: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    log_loss: np.ndarray,
    counts: np.ndarray,
    damping: np.ndarray,
) -> np.ndarray:
    predicted, (size, data, floor) = _terms(theta, x, y)
    residual = predicted - log_loss
    above = np.abs(residual)
    slope = np.stack([size, data, floor, -size * x, -data * y], axis=1)  # (fit, 5, run)
    touching = DELTA / np.maximum(above, DELTA)
    gradient = (slope @ (counts * residual * touching)[:, :, None])[:, :, 0]
    weight = counts * (np.where(above < DELTA, 1.0, 0.0) + damping[:, None] * touching)
    curvature = (slope * weight[:, None, :]) @ slope.transpose(0, 2, 1)
    # A term that has vanished leaves a direction flat; a hair of a ridge keeps the system solvable.
    ridge = 1e-9 * (1.0 + damping) * counts.sum(axis=1)
    curvature += ridge[:, None, None] * np.eye(5)
    return np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
