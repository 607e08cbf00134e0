from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note


@dataclass(frozen=True)
class Prediction:
    """Hold intervals of loss at candidates, each ``(candidate,)``, nats per token.

    Attributes:
        level: Share of belief between ``lower_nats`` and ``upper_nats``.
        lower_nats: Lower end of the central interval.
        median_nats: Middle.
        upper_nats: Upper end.
        is_new_run: Whether run-to-run noise is included (one more run) or not (the curve).
        log_cost_distance: ``log(C / C_max)``: how far beyond the costliest run seen.
        notes: Warnings.
    """

    level: float
    lower_nats: np.ndarray
    median_nats: np.ndarray
    upper_nats: np.ndarray
    is_new_run: bool
    log_cost_distance: np.ndarray
    notes: tuple[Note, ...] = ()

    @property
    def p05(self) -> np.ndarray:
        """The 5 % quantile, of a prediction at level 0.9."""
        self._check_level()
        return self.lower_nats

    @property
    def p50(self) -> np.ndarray:
        """The median."""
        return self.median_nats

    @property
    def p95(self) -> np.ndarray:
        """The 95 % quantile, of a prediction at level 0.9."""
        self._check_level()
        return self.upper_nats

    def _check_level(self) -> None:
        if abs(self.level - 0.9) > 1e-9:
            raise InvalidInputError(
                f"p05 and p95 are of a prediction at level 0.9, this one is at {self.level}; use "
                f"lower_nats and upper_nats"
            )
