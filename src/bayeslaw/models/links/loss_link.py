"""From the loss on one corpus to the loss on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bayeslaw.models.links.extrapolation import draw_tau, frontier_weights, wander
from bayeslaw.models.links.link import check_pairs, checked_losses
from bayeslaw.models.links.sampler import sample
from bayeslaw.models.notes import Note

# One corpus's loss falls .5-2 times as fast as another's, in log excess over the floor.
_KAPPA_LOG_SD = 0.35
# The curve at the geometric mean of the source's losses is within 3 % of the mean of the target's.
_CENTRE_LOG_SD = 0.03
_SIGMA_MEDIAN, _SIGMA_LOG_SD = 0.01, 0.8
# Of the form's error, in log loss.
_TAU_MEDIAN = 0.005


@dataclass(frozen=True)
class LossLink:
    """Hold draws of ``L_t = E_t + K (L_s - E_s)^kappa``; build it with `fit_loss_link`.

    Attributes:
        source_floor: E_s [nats per token], ``(draw,)``.
        target_floor: E_t [nats per token], ``(draw,)``.
        scale: K, ``(draw,)``.
        kappa: How much faster the target's excess falls than the source's, ``(draw,)``.
        sigma: Noise of one run's log target loss, ``(draw,)``.
        tau: Scale of the form's error below the lowest loss, ``(draw,)``.
        lowest_loss_nats: Lowest source loss fitted on.
        n_runs: Runs fitted [count].
        seed: Of everything random.
        notes: Coded warnings of the fit.
    """

    source_floor: np.ndarray
    target_floor: np.ndarray
    scale: np.ndarray
    kappa: np.ndarray
    sigma: np.ndarray
    tau: np.ndarray
    lowest_loss_nats: float
    n_runs: int
    seed: int
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.kappa)

    def draws(self, loss_draws: np.ndarray, *, new_run: bool = False, seed: int = 0) -> np.ndarray:
        """Return the target loss of each candidate under each draw, ``(draw, candidate)``.

        Args:
            loss_draws: Source loss of each candidate under each draw [nats per token], ``(draw,
                candidate)``. Row i goes through draw i of the link (modulo their number). A loss
                under a draw's source floor gives that draw's target floor.
            new_run: Whether each value has one run's noise.
            seed: Of that noise.

        Raises:
            InvalidInputError: A loss is not finite and positive, or the shape is another.
        """
        losses = checked_losses("loss_draws", loss_draws, 2)
        rows = np.arange(len(losses)) % len(self)
        excess = np.maximum(losses - self.source_floor[rows, None], 0.0)
        target = self.target_floor[rows, None] + (
            self.scale[rows, None] * excess ** self.kappa[rows, None]
        )
        log_error = wander(self.lowest_loss_nats - losses, self.tau[rows], seed=self.seed)
        if new_run:
            normals = np.random.default_rng([self.seed, 3, seed]).standard_normal(losses.shape)
            log_error = log_error + self.sigma[rows, None] * normals
        return target * np.exp(log_error)


def fit_loss_link(
    source_nats: np.ndarray,
    target_nats: np.ndarray,
    *,
    n_draws: int = 1000,
    seed: int = 0,
) -> LossLink:
    """Learn how one validation loss follows another, from runs that have both.

    If both losses are a floor plus a power of one resource, then ``L_t = E_t + K (L_s - E_s)^kappa``
    with ``kappa`` the ratio of their exponents: a shifted power law. Both floors lie under the
    lowest loss seen, anywhere between it and 0. Runs of high loss count less (`frontier_weights`)
    and below the lowest loss the form may be wrong (`wander`).

    Args:
        source_nats: Losses on the corpus that is predicted [nats per token], ``(run,)``.
        target_nats: Losses of the same runs on the other corpus [nats per token], ``(run,)``.
        n_draws: Posterior draws.
        seed: Of everything random.

    Raises:
        InvalidInputError: A loss is not finite and positive, or all source losses are one.
        NotEnoughRunsError: Fewer than 5 runs.
        UndecidedError: No draw of the prior comes near the runs.

    Source:
        Ours: it follows from two laws of the Chinchilla form (arXiv:2203.15556, eq. 10 in one
        resource); research/laws.md holds no published link of losses.

    >>> source = np.linspace(4.0, 2.8, 13)
    >>> link = fit_loss_link(source, 0.5 + 1.1 * (source - 1.5) ** 0.9)
    >>> target = np.median(link.draws(np.full((1000, 1), 2.6)))
    >>> bool(abs(target - (0.5 + 1.1 * 1.1**0.9)) < 0.02)
    True
    """
    source = checked_losses("source_nats", source_nats)
    target = checked_losses("target_nats", target_nats)
    check_pairs("target_nats", source, target)
    lowest_source, lowest_target = float(source.min()), float(target.min())
    middle = float(np.exp(np.log(source).mean()))
    log_centre = float(np.log(target).mean())
    weights, log_target = frontier_weights(source), np.log(target)

    def coefficients(z: np.ndarray) -> tuple[np.ndarray, ...]:
        source_floor = 0.999 * lowest_source * ndtr(z[:, 0])
        target_floor = 0.999 * lowest_target * ndtr(z[:, 1])
        kappa = np.exp(_KAPPA_LOG_SD * z[:, 2])
        centre = np.exp(log_centre + _CENTRE_LOG_SD * z[:, 3])
        scale = np.maximum(centre - target_floor, 1e-9) / (middle - source_floor) ** kappa
        sigma = _SIGMA_MEDIAN * np.exp(_SIGMA_LOG_SD * z[:, 4])
        return source_floor, target_floor, scale, kappa, sigma

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        source_floor, target_floor, scale, kappa, sigma = (v[:, None] for v in coefficients(z))
        mean = np.log(target_floor + scale * (source - source_floor) ** kappa)
        densities = -0.5 * ((log_target - mean) / sigma) ** 2 - np.log(sigma)
        return (weights * densities).sum(axis=1)

    found = sample(log_likelihood, 5, n_draws=n_draws, seed=seed)
    source_floor, target_floor, scale, kappa, sigma = coefficients(found.z)
    return LossLink(
        source_floor=source_floor,
        target_floor=target_floor,
        scale=scale,
        kappa=kappa,
        sigma=sigma,
        tau=draw_tau(_TAU_MEDIAN, n_draws, seed=seed),
        lowest_loss_nats=lowest_source,
        n_runs=len(source),
        seed=seed,
    )
