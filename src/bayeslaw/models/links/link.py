"""What a link is: from loss to what a lab is asked for, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.models.links.extrapolation import VALIDATED_NATS
from bayeslaw.models.notes import Note

MIN_RUNS = 5


class Link(Protocol):
    """Carry draws of loss to draws of another figure, so that uncertainty adds up."""

    @property
    def lowest_loss_nats(self) -> float:
        """Lowest loss that it was fitted on [nats per token]."""
        ...

    def draws(self, loss_draws: np.ndarray, *, new_run: bool = False, seed: int = 0) -> np.ndarray:
        """Return the figure of each candidate under each draw, ``(draw, candidate)``.

        Args:
            loss_draws: Loss of each candidate under each draw [nats per token], ``(draw,
                candidate)``, such as `Posterior.losses` gives. Row i goes through the link's own
                draw i (modulo their number), so a row stays one coherent curve.
            new_run: Whether each value has the noise of one more run's measurement.
            seed: Of that noise.
        """
        ...


@dataclass(frozen=True)
class LinkPrediction:
    """Hold intervals of a linked figure, each ``(candidate,)``, in the link's unit.

    Attributes:
        level: Share of belief between ``lower`` and ``upper``.
        lower: Lower end of the central interval.
        median: Middle.
        upper: Upper end.
        is_new_run: Whether the noise of one more measurement is included.
        notes: Warnings.
    """

    level: float
    lower: np.ndarray
    median: np.ndarray
    upper: np.ndarray
    is_new_run: bool
    notes: tuple[Note, ...] = ()


def predict_through(
    link: Link,
    loss_draws: np.ndarray,
    *,
    level: float = 0.9,
    new_run: bool = True,
    seed: int = 0,
) -> LinkPrediction:
    """Return quantiles of a link's draws, with a note where it is carried too far.

    Raises:
        InvalidInputError: ``level`` is no share, or losses are not ``(draw, candidate)``.
    """
    if not 0 < level < 1:
        raise InvalidInputError(f"level must lie between 0 and 1, got {level}")
    tail = (1 - level) / 2
    drawn = link.draws(loss_draws, new_run=new_run, seed=seed)
    lower, median, upper = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=0)
    below = link.lowest_loss_nats - float(np.median(loss_draws, axis=0).min())
    notes = ()
    if below > VALIDATED_NATS:
        notes = (
            Note(
                "outside_validated_loss",
                "warning",
                f"a candidate's loss is {below:.2g} nats below the lowest that the link was fitted "
                f"on; intervals were checked on public tables up to {VALIDATED_NATS} nats: measure "
                f"a better network",
            ),
        )
    return LinkPrediction(level, lower, median, upper, new_run, notes)


def checked_losses(name: str, losses: np.ndarray, n_dimensions: int = 1) -> np.ndarray:
    """Return losses as float64 of that many dimensions, or say what is wrong with them."""
    values = np.asarray(losses, dtype=float)
    if values.ndim != n_dimensions or not values.size:
        axes = "(run,)" if n_dimensions == 1 else "(draw, candidate)"
        raise InvalidInputError(f"{name} must have shape {axes}, got {values.shape}")
    if (bad := ~(np.isfinite(values) & (values > 0))).any():
        raise InvalidInputError(
            f"{name}: {values[bad][0]} must be a finite positive loss [nats per token]; leave out "
            f"runs that diverged"
        )
    return values


def check_pairs(name: str, losses: np.ndarray, others: np.ndarray) -> None:
    """Refuse pairs of different lengths, too few of them, or all of one loss."""
    if losses.shape != others.shape:
        raise InvalidInputError(
            f"loss_nats and {name} must be pairs, got {len(losses)} and {len(others)} values"
        )
    if len(losses) < MIN_RUNS:
        raise NotEnoughRunsError(
            f"a link needs at least {MIN_RUNS} runs with both figures, got {len(losses)}; measure "
            f"more runs"
        )
    if np.ptp(losses) == 0:
        raise InvalidInputError(
            f"all {len(losses)} runs have the loss {losses[0]}, so nothing can be learnt of how "
            f"{name} follows it; measure runs of different losses"
        )
