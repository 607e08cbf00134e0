"""What one method did in one lab: spending, choices and regret, step after step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.digital_twin.world import World

BATCHES = (8, 4, 4, 8, 8, 12, 16)
"""Runs between one recommendation and the next, the same for every method: 60 in all."""


@dataclass
class Trace:
    """Record a method's recommendations in one lab.

    Attributes:
        steps: Each ``hours``, ``n_runs``, ``chosen``, ``regret`` (1 is the tolerance).
        forecasts: Probabilities that a method gave, each with what came true.
        seconds: Wall time of the whole.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    forecasts: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, world: World, hours: float, n_runs: int, chosen: int) -> None:
        """Note what would be built now."""
        regret = float(world.regrets[chosen])
        self.steps.append(
            {
                "hours": hours,
                "n_runs": n_runs,
                "chosen": chosen,
                "regret": regret if np.isfinite(regret) else None,
            }
        )

    def hours_to_stay(self, budget_hours: float) -> tuple[float, bool]:
        """Return when the regret came within tolerance for good, and whether it did."""
        found = budget_hours, False
        for step in reversed(self.steps):
            if step["regret"] is None or step["regret"] > 1:
                break
            found = min(float(step["hours"]), budget_hours), True
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Trace:
        """Read what `to_dict` wrote."""
        return cls(**values)
