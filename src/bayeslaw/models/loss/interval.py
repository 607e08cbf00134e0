"""A median and the ends of an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """Hold a median and the ends of a central interval."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, draws: np.ndarray, level: float) -> Interval:
        """Return the interval of draws ``(draw,)`` that holds ``level`` of the belief."""
        tail = (1 - level) / 2
        return cls(*(float(x) for x in np.quantile(draws, [tail, 0.5, 1 - tail])))

    @property
    def ratio(self) -> float:
        """Upper over lower end."""
        return self.upper / self.lower

    def to_dict(self) -> dict[str, float]:
        """Return the fields as JSON-ready values."""
        return {"lower": self.lower, "median": self.median, "upper": self.upper}
