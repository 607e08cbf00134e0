"""What a loss on the way says about the final one, learnt from the curves of runs that are done.

Before its rate decays a run's loss lies above the loss it will end with, by an amount that depends
on the schedule, the share of tokens seen, the size and the tokens. That amount is not guessed: it
is regressed on size and tokens over done runs of the same schedule, at the same share of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.runs import Run

LEAST_CURVES = 5
# Prior scale of the scatter, per unit of log(1 / share): 22 Gemstones (constant rate) scatter by
# 0.002-0.004, the 56 trunks of our tiny suite (wsd) by 0.013-0.02. Slopes: 3 such scales a unit.
SCATTER = 0.01
DEGREES = 2.0
SLOPE_SCALES = 3.0
_WIDE = 1e3


@dataclass(frozen=True)
class EarlyLoss:
    """Say what a partial curve tells of a run's final log loss: normal, before any law is asked.

    Attributes:
        log_loss: Expected final log loss, log of nats per token.
        sd: Standard deviation of the final log loss around it.
        share: Of its tokens that the run has seen.
        n_curves: Done runs that this was learnt from [count]; 0 where the caller said it.
    """

    log_loss: float
    sd: float
    share: float
    n_curves: int = 0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.log_loss) and np.isfinite(self.sd) and self.sd > 0):
            raise InvalidInputError(
                f"an early loss is a finite log loss with a positive sd, got {self.log_loss} and "
                f"{self.sd}"
            )
        if not 0 < self.share <= 1:
            raise InvalidInputError(
                f"share is of a run's tokens, above 0 to 1, got {self.share:g}; a run that has "
                f"seen nothing yet says nothing"
            )


def early_loss(run: Run, n_tokens_seen: float, loss_nats: float, done: Sequence[Run]) -> EarlyLoss:
    """Predict the final log loss of a run under way from its loss so far.

    A Bayesian linear regression over done runs, of log (loss at this share / final loss) on log
    size and log tokens; the prediction's Student t is handed on as a normal with the t's variance.

    Args:
        run: Under way; its size and whole token budget are known.
        n_tokens_seen: Tokens it has seen [count].
        loss_nats: Its loss there, on the same text as the curves' [nats per token].
        done: Runs whose ``record["curve"]`` holds ``{"tokens", "loss_nats"}`` points, such as our
            lab's. Those of another schedule or decay are left out where both say theirs; so are
            those whose curve does not enclose this share.

    Raises:
        NotEnoughRunsError: Fewer than `LEAST_CURVES` such runs.
        InvalidInputError: The loss or the tokens make no sense, or the run has no size.
    """
    if not (np.isfinite(loss_nats) and loss_nats > 0):
        raise InvalidInputError(f"loss_nats must be positive nats per token, got {loss_nats}")
    share = n_tokens_seen / run.n_tokens
    if not 0 < share < 1:
        raise InvalidInputError(
            f"run {run.run_id!r} has seen {n_tokens_seen:g} of {run.n_tokens} tokens; between the "
            f"two there is something to predict"
        )
    if (here := _size_and_tokens(run)) is None:
        raise InvalidInputError(f"run {run.run_id!r} has neither an architecture nor n_params")
    rows, offsets = [], []
    for other in done:
        if not other.is_evidence or not _same_schedule(run, other):
            continue
        place, offset = _size_and_tokens(other), _offset(other, share)
        if place is not None and offset is not None:
            rows.append(place)
            offsets.append(offset)
    if len(rows) < LEAST_CURVES:
        raise NotEnoughRunsError(
            f"{len(rows)} done runs of this schedule have a curve around {share:.0%} of their "
            f"tokens, at least {LEAST_CURVES} are needed to know how far above its end a loss "
            f"lies there; let run {run.run_id!r} go on"
        )
    offset, sd = _regress(np.array(rows), np.array(offsets), here, SCATTER * np.log(1 / share))
    return EarlyLoss(float(np.log(loss_nats)) - offset, sd, share, len(rows))


def _regress(
    places: np.ndarray, offsets: np.ndarray, here: np.ndarray, scatter: float
) -> tuple[float, float]:
    """Return the expected offset here and its predictive standard deviation."""
    centre = places.mean(axis=0)
    design = np.concatenate([np.ones((len(places), 1)), places - centre], axis=1)
    point = np.concatenate([[1.0], here - centre])
    # In units of the noise; the intercept is what the curves say.
    precision = np.diag([_WIDE**-2, SLOPE_SCALES**-2, SLOPE_SCALES**-2])
    covariance = np.linalg.inv(precision + design.T @ design)
    mean = covariance @ design.T @ offsets
    misfit = float(offsets @ offsets - mean @ (precision + design.T @ design) @ mean)
    degrees = DEGREES + len(offsets)
    variance = (DEGREES * scatter**2 + max(misfit, 0.0)) / degrees
    variance *= 1.0 + float(point @ covariance @ point)
    return float(point @ mean), float(np.sqrt(variance * degrees / (degrees - 2)))


def _offset(run: Run, share: float) -> float | None:
    """Return log loss at a share of the tokens less the final log loss, None outside the curve."""
    points = sorted((p["tokens"], p["loss_nats"]) for p in run.record.get("curve") or ())
    points = [(tokens, loss) for tokens, loss in points if 0 < tokens <= run.n_tokens]
    wanted = share * run.n_tokens
    if len(points) < 2 or not points[0][0] <= wanted <= points[-1][0] or run.loss_nats is None:
        return None
    tokens, losses = np.log(np.array(points)).T
    return float(np.interp(np.log(wanted), tokens, losses) - np.log(run.loss_nats))


def _size_and_tokens(run: Run) -> np.ndarray | None:
    size = (
        run.architecture.n_params if run.architecture is not None else run.columns.get("n_params")
    )
    return None if size is None else np.log(np.array([float(size), float(run.n_tokens)]))


def _same_schedule(run: Run, other: Run) -> bool:
    ours, theirs = (_schedule(each) for each in (run, other))
    return all(ours[name] == theirs[name] for name in ours.keys() & theirs.keys())


def _schedule(run: Run) -> dict[str, Any]:
    names = ("schedule", "decay_fraction", "final_rate_fraction")
    rates = run.record.get("hyperparameters") or {}
    return {name: rates[name] for name in names if name in rates}
