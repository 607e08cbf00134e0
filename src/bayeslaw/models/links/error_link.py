"""From loss to the error of a downstream task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.links.extrapolation import draw_tau, frontier_weights, wander
from bayeslaw.models.links.link import check_pairs, checked_losses
from bayeslaw.models.links.sampler import sample
from bayeslaw.models.notes import Note

# gamma per nat: an e-fold of the gain for a nat, .3-3.2 with 90 % belief.
_GAMMA_MEDIAN, _GAMMA_LOG_SD = 1.0, 0.7
# Questions that an accuracy is worth: 50 to 20,000, whatever the test's size, as seeds differ too.
_N_EFFECTIVE_MEDIAN, _N_EFFECTIVE_LOG_SD = 1000.0, 1.8
# A given chance level is believed to this, as tasks with few questions are off it by luck.
_CHANCE_SD = 0.02
# Of the form's error, over the standard deviation of one question (its unit).
_TAU_MEDIAN = 0.02
_LEAST_ERROR = 1e-3


@dataclass(frozen=True)
class ErrorLink:
    """Hold draws of ``Err = eps - k exp(-gamma L)``; build it with `fit_error_link`.

    Attributes:
        eps: Error at high loss, chance level in the main [share], ``(draw,)``.
        k: What the gain is multiplied by, ``(draw,)``.
        gamma: How fast the gain grows as the loss falls [per nat], ``(draw,)``.
        n_effective: Noise of one measurement, as if so many questions were drawn, ``(draw,)``.
        tau: Scale of the form's error below the lowest loss, ``(draw,)``.
        floor: No error is below this [share].
        lowest_loss_nats: Lowest loss fitted on.
        n_runs: Runs fitted [count].
        seed: Of everything random.
        notes: Coded warnings of the fit.
    """

    eps: np.ndarray
    k: np.ndarray
    gamma: np.ndarray
    n_effective: np.ndarray
    tau: np.ndarray
    floor: float
    lowest_loss_nats: float
    n_runs: int
    seed: int
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.eps)

    def draws(self, loss_draws: np.ndarray, *, new_run: bool = False, seed: int = 0) -> np.ndarray:
        """Return the error of each candidate under each draw [share], ``(draw, candidate)``.

        Args:
            loss_draws: Loss of each candidate under each draw [nats per token], ``(draw,
                candidate)``. Row i goes through draw i of the link (modulo their number).
            new_run: Whether each value has the noise of one measurement, binomial in kind.
            seed: Of that noise.

        Raises:
            InvalidInputError: A loss is not finite and positive, or the shape is another.
        """
        losses = checked_losses("loss_draws", loss_draws, 2)
        rows = np.arange(len(losses)) % len(self)
        at = (values[rows, None] for values in (self.eps, self.k, self.gamma, self.n_effective))
        eps, k, gamma, n_effective = at
        curve = _bounded(eps - k * np.exp(-gamma * losses), self.floor)
        strayed = wander(self.lowest_loss_nats - losses, self.tau[rows], seed=self.seed)
        errors = _bounded(curve + np.sqrt(curve * (1 - curve)) * strayed, self.floor)
        if new_run:
            normals = np.random.default_rng([self.seed, 3, seed]).standard_normal(errors.shape)
            errors = errors + np.sqrt(errors * (1 - errors) / n_effective) * normals
            errors = np.clip(errors, 0.0, 1.0)
        return errors


def fit_error_link(
    loss_nats: np.ndarray,
    error: np.ndarray,
    *,
    chance_error: float | None = None,
    n_questions: int | None = None,
    floor: float = 0.0,
    n_draws: int = 1000,
    seed: int = 0,
) -> ErrorLink:
    """Learn how a task's error follows the loss, from runs that have both.

    ``Err = eps - k exp(-gamma L)``, never below ``floor``. One measurement's variance is
    ``Err (1 - Err) / n_effective``: binomial in kind, with a number of questions that is learnt, as
    seeds and a mean over tasks differ from coin flips. Runs of high loss count less
    (`frontier_weights`) and below the lowest loss the form may be wrong (`wander`).

    Args:
        loss_nats: Final losses on one corpus with one tokenizer [nats per token], ``(run,)``.
        error: One minus accuracy, or a mean of these over tasks [share], ``(run,)``.
        chance_error: Error of guessing, where it is known: .75 for four choices.
        n_questions: Of the test, where known: noise is then at least a coin's.
        floor: Error that no model goes below, such as a share of wrong labels.
        n_draws: Posterior draws.
        seed: Of everything random.

    Raises:
        InvalidInputError: A value is no share or no loss, or all losses are one.
        NotEnoughRunsError: Fewer than 5 runs.
        UndecidedError: No draw of the prior comes near the runs.

    Source:
        Gadre et al. (2024), arXiv:2403.08540, the error's form. The noise, the floor, the weights
        and the wandering are ours.

    >>> loss = np.linspace(4.0, 2.8, 13)
    >>> link = fit_error_link(loss, 0.75 - 2.0 * np.exp(-0.9 * loss), chance_error=0.75)
    >>> errors = link.draws(np.full((1000, 1), 2.6))
    >>> bool(abs(np.median(errors) - (0.75 - 2.0 * np.exp(-0.9 * 2.6))) < 0.01)
    True
    """
    losses = checked_losses("loss_nats", loss_nats)
    errors = np.asarray(error, dtype=float)
    check_pairs("error", losses, errors)
    _check_shares(errors, chance_error, n_questions, floor)
    lowest = float(losses.min())
    weights = frontier_weights(losses)
    observed = np.clip(errors, _LEAST_ERROR, 1 - _LEAST_ERROR)

    def coefficients(z: np.ndarray) -> tuple[np.ndarray, ...]:
        if chance_error is None:
            eps = floor + (1 - floor) * ndtr(z[:, 0])
        else:
            eps = np.clip(chance_error + _CHANCE_SD * z[:, 0], floor + _LEAST_ERROR, 1.0)
        gain = (eps - floor) * ndtr(z[:, 1])  # at the lowest loss
        gamma = _GAMMA_MEDIAN * np.exp(_GAMMA_LOG_SD * z[:, 2])
        n_effective = _N_EFFECTIVE_MEDIAN * np.exp(_N_EFFECTIVE_LOG_SD * z[:, 3])
        if n_questions is not None:
            n_effective = 1 / (1 / n_effective + 1 / n_questions)
        return eps, gain, gamma, n_effective

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        eps, gain, gamma, n_effective = (values[:, None] for values in coefficients(z))
        mean = _bounded(eps - gain * np.exp(-gamma * (losses - lowest)), floor)
        variance = mean * (1 - mean) / n_effective
        densities = -0.5 * ((observed - mean) ** 2 / variance + np.log(variance))
        return (weights * densities).sum(axis=1)

    found = sample(log_likelihood, 4, n_draws=n_draws, seed=seed)
    eps, gain, gamma, n_effective = coefficients(found.z)
    return ErrorLink(
        eps=eps,
        k=gain * np.exp(gamma * lowest),
        gamma=gamma,
        n_effective=n_effective,
        tau=draw_tau(_TAU_MEDIAN, n_draws, seed=seed),
        floor=floor,
        lowest_loss_nats=lowest,
        n_runs=len(losses),
        seed=seed,
        notes=_notes(eps, gain, n_effective),
    )


def _bounded(error: np.ndarray, floor: float) -> np.ndarray:
    return np.clip(error, max(floor, _LEAST_ERROR), 1 - _LEAST_ERROR)


def _notes(eps: np.ndarray, gain: np.ndarray, n_effective: np.ndarray) -> tuple[Note, ...]:
    seen = gain > 2 * np.sqrt(eps * (1 - eps) / n_effective)
    if seen.mean() >= 0.9:
        return ()
    return (
        Note(
            "no_signal_yet",
            "warning",
            f"the best run is above chance by two measurements' noise with probability "
            f"{seen.mean():.2f} only: when this task starts to improve cannot be told from these "
            f"runs; measure better networks, or use a task (or a mean of tasks) that moves earlier",
        ),
    )


def _check_shares(
    errors: np.ndarray, chance_error: float | None, n_questions: int | None, floor: float
) -> None:
    if (bad := ~((errors >= 0) & (errors <= 1))).any():
        raise InvalidInputError(
            f"error: {errors[bad][0]} must be a share between 0 and 1: one minus accuracy, not a "
            f"percentage"
        )
    if not 0 <= floor < 1:
        raise InvalidInputError(f"floor must be a share in 0..1, got {floor}")
    if chance_error is not None and not floor < chance_error <= 1:
        raise InvalidInputError(
            f"chance_error must be a share above floor = {floor}, got {chance_error}; four choices "
            f"have .75"
        )
    if n_questions is not None and n_questions < 1:
        raise InvalidInputError(f"n_questions must be at least 1, got {n_questions}")
