"""How many members of a space are feasible."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeasibleCount:
    """Say how many members meet all constraints.

    Attributes:
        low: Members certainly feasible [count].
        high: Members not yet ruled out [count].
        estimate: ``low == high`` when exact, else a Monte Carlo estimate [count].
    """

    low: int
    high: int
    estimate: float

    @property
    def is_exact(self) -> bool:
        """Whether the count is proven."""
        return self.low == self.high
