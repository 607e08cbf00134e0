"""What every method is told of latency, and how those without draws of their own decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from bayeslaw.models.latency import LatencySurrogate, fit_latency
from bayeslaw.space import Architecture, Workload
from benchmarks.digital_twin.device import DEVICE, SERVING
from benchmarks.digital_twin.world import World

P_FEASIBLE = 0.8
_N_DRAWS = 512


@dataclass(frozen=True)
class LatencyAnswer:
    """Hold TPOT of the targets as the 32 timings tell it: the same for every method.

    Attributes:
        surrogate: What was fitted to them.
        tpot_share: Median TPOT over the baseline's ``(target,)``.
        is_fast: Whether .95 of the baseline's is kept with probability .8 ``(target,)``.
    """

    surrogate: LatencySurrogate
    tpot_share: np.ndarray
    is_fast: np.ndarray


Draws = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class RememberedSurrogate(LatencySurrogate):
    """Answer the same question from memory: sixty recommendations ask it word for word."""

    answers: dict[tuple[object, ...], Draws] = field(default_factory=dict)

    def draw_with_timings(
        self, architectures: Sequence[Architecture], workload: Workload, n_draws: int, seed: int
    ) -> Draws:
        """Return what the surrogate itself would, copied."""
        key = (tuple(architectures), workload, n_draws, seed)
        if key not in self.answers:
            drawn = super().draw_with_timings(architectures, workload, n_draws, seed)
            self.answers[key] = drawn
        curves, timings = self.answers[key]
        return dict(curves), dict(timings)


def learn_latency(world: World) -> LatencyAnswer:
    """Fit our surrogate to a lab's timings and ask it of the targets."""
    fitted = fit_latency(world.timings, DEVICE, seed=world.seed)
    surrogate = RememberedSurrogate(**{f.name: getattr(fitted, f.name) for f in fields(fitted)})
    everyone = [c.architecture for c in (*world.targets, world.baseline)]
    tpot = surrogate.draw(everyone, SERVING, _N_DRAWS, world.seed)["tpot_ms"]
    share = tpot[:, :-1] / tpot[:, -1:]
    is_fast = (share <= 0.95).mean(axis=0) >= P_FEASIBLE
    if not is_fast.any():
        is_fast = share.mean(axis=0) == share.mean(axis=0).min()
    return LatencyAnswer(surrogate, np.median(share, axis=0), is_fast)


def decide(world: World, latency: LatencyAnswer, losses: np.ndarray) -> int:
    """Return the target that a method would build by its own predicted losses.

    Args:
        world: Whose decision it is.
        latency: What all methods know of it.
        losses: Predicted loss of every target and, last, of the baseline, in any unit that orders
            them ``(target + 1,)``.
    """
    at_target, at_baseline = losses[:-1], losses[-1]
    if world.decision == "loss":
        return int(np.argmin(np.where(latency.is_fast, at_target, np.inf)))
    keeps = at_target <= at_baseline
    if not keeps.any():
        return int(np.argmin(at_target))
    return int(np.argmin(np.where(keeps, latency.tpot_share, np.inf)))
