"""What is believed if each architecture's error beyond the runs were its own.

Beyond the costliest run a law's form may be wrong, and posteriors hold that most of that error is
shared by all architectures of one cost (`bayeslaw.models.loss.discrepancy`). Whether it is decides
whether architectures can be ranked there, and no run inside the data tells. So the other end is
looked at as well: the same error for each architecture alone, in nothing alike between two.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayeslaw.search.ensemble import LossBelief, PredictiveEnsemble

Columns = Mapping[str, np.ndarray]


def tells_apart(belief: LossBelief) -> bool:
    """Say whether a belief can leave out the form's error beyond the runs.

    Its ``losses`` then takes ``tau_factor``, as `Posterior.losses` and `LawStack.losses` do.
    """
    return "tau_factor" in inspect.signature(belief.losses).parameters


def error_beyond(
    ensemble: PredictiveEnsemble, columns: Columns, losses: np.ndarray
) -> np.ndarray | None:
    """Return the part of log loss that is the form's error beyond the costliest run.

    Args:
        ensemble: Members.
        columns: Of the candidates, each ``(candidate,)``.
        losses: What the ensemble gave for them, ``(member, candidate)``.

    Returns:
        ``(member, candidate)``; None where a belief cannot leave that error out.
    """
    if not all(tells_apart(belief) for belief in ensemble.beliefs):
        return None
    return np.log(losses) - np.log(ensemble.losses(columns, tau_factor=0.0))


def dealt(beyond: np.ndarray, columns: Columns, lengths: Sequence[int], seed: int) -> np.ndarray:
    """Deal errors of all draws to each architecture in an order of its own.

    So what is believed of one architecture stays, at all its numbers of tokens together, and only
    what two have in common goes. The order follows from the architecture, so separate calls agree.

    Args:
        beyond: ``(draw, candidate)``.
        columns: Of the candidates; those that differ in ``n_tokens`` alone are one architecture.
        lengths: Draws of each law, which keep their errors among themselves.
        seed: Of the orders.
    """
    shape = [np.asarray(v, dtype=float) for name, v in columns.items() if name != "n_tokens"]
    shapes, one_of = np.unique(np.stack(shape, axis=1), axis=0, return_inverse=True)
    orders = np.empty((len(beyond), len(shapes)), dtype=np.intp)
    for i, values in enumerate(shapes):
        rng = np.random.default_rng([seed, zlib.crc32(values.tobytes())])
        start = 0
        for length in lengths:
            orders[start : start + length, i] = start + rng.permutation(length)
            start += length
    return np.take_along_axis(beyond, orders[:, one_of.reshape(-1)], axis=0)


def with_own_errors(ensemble: PredictiveEnsemble, seed: int) -> PredictiveEnsemble | None:
    """Return an ensemble with errors of their own; None where a belief cannot tell its error apart."""
    if not all(tells_apart(belief) for belief in ensemble.beliefs):
        return None
    beliefs = [OwnErrors(belief, seed) for belief in ensemble.beliefs]
    return replace(ensemble, beliefs=tuple(beliefs))


@dataclass(frozen=True)
class OwnErrors:
    """Believe what another belief does, but share no error beyond the runs.

    Attributes:
        belief: The other.
        seed: Of how errors are dealt.
    """

    belief: LossBelief
    seed: int

    @property
    def posteriors(self) -> tuple[LossBelief, ...]:
        """What stands behind it."""
        return getattr(self.belief, "posteriors", (self.belief,))

    @property
    def sigma(self) -> np.ndarray:
        """Scale of a typical run's noise, unchanged ``(draw,)``."""
        return self.belief.sigma

    def noise_scale(self, columns: Columns) -> np.ndarray:
        """Return the scale of a run's noise, unchanged ``(draw, candidate)``."""
        return self.belief.noise_scale(columns)

    def losses(self, columns: Columns) -> np.ndarray:
        """Return losses [nats per token], ``(draw, candidate)``."""
        ask: Any = self.belief.losses
        without = np.log(ask(columns, tau_factor=0.0))
        beyond = np.log(ask(columns)) - without
        lengths = [len(posterior.sigma) for posterior in self.posteriors]
        return np.exp(without + dealt(beyond, columns, lengths, self.seed))
