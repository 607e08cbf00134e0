"""How far a run is: everything but weights that a killed run needs to go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

# A batch's loss differs from the last ones' mean by a few per cent; half as much again is a jump.
_RECENT = 8
_SPIKE = 1.5

Work = Literal["train", "evaluate", "checkpoint"]


@dataclass(slots=True)
class Progress:
    """Say how far a run is.

    Attributes:
        step: Optimizer steps taken on the way to where the weights are [count].
        on_branch: Whether the weights are on a branch; the trunk's are kept aside then.
        trunk_seconds: Wall time from the start to the trunk's weights, training and evaluation,
            over all restarts [s].
        branch_seconds: Wall time since the trunk was left [s]; 0 on the trunk.
        seconds: Wall time by kind of work, branches included [s].
        n_restarts: Times the run was taken up again [count].
        curve: Evaluations of the trunk so far.
        branches: Branches finished so far.
        recent_losses: Training losses of the last few checks [nats per token].
        n_spikes: Checks whose training loss was far above the ones before [count].
    """

    step: int = 0
    on_branch: bool = False
    trunk_seconds: float = 0.0
    branch_seconds: float = 0.0
    seconds: dict[str, float] = field(
        default_factory=lambda: {"train": 0.0, "evaluate": 0.0, "checkpoint": 0.0}
    )
    n_restarts: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    branches: list[dict[str, float]] = field(default_factory=list)
    recent_losses: list[float] = field(default_factory=list)
    n_spikes: int = 0

    @property
    def total_seconds(self) -> float:
        """Wall time of all work [s]."""
        return sum(self.seconds.values())

    @contextmanager
    def timed(self, work: Work) -> Iterator[None]:
        """Book the block's wall time."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[work] += spent
            if self.on_branch:
                self.branch_seconds += spent
            else:
                self.trunk_seconds += spent

    def note_loss(self, loss: float) -> None:
        """Take down a training loss, and whether it jumped."""
        recent = self.recent_losses
        if len(recent) == _RECENT and loss > _SPIKE * sum(recent) / _RECENT:
            self.n_spikes += 1
        self.recent_losses = [*recent, loss][-_RECENT:]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)
