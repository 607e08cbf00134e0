from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.discrepancy import VALIDATED_COST_RATIO
from bayeslaw.models.notes import Note

SENSITIVITY_FACTORS = {"tau_halved": 0.5, "tau_doubled": 2.0}


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
        carried_by: Share of the draws that each law gave, by ``law (how N is counted)``.
        sensitivity: Lower and upper ends, each ``(candidate,)``, had the discrepancy beyond the
            costliest run half or twice the size: by ``tau_halved`` and ``tau_doubled``.
        notes: Warnings.
    """

    level: float
    lower_nats: np.ndarray
    median_nats: np.ndarray
    upper_nats: np.ndarray
    is_new_run: bool
    log_cost_distance: np.ndarray
    carried_by: Mapping[str, float] = field(default_factory=dict)
    sensitivity: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @classmethod
    def from_draws(
        cls,
        draw: Callable[[float], np.ndarray],
        *,
        level: float,
        is_new_run: bool,
        log_cost_distance: np.ndarray,
        carried_by: Mapping[str, float],
    ) -> Prediction:
        """Take quantiles of draws, and again with the discrepancy halved and doubled.

        Args:
            draw: From a factor on the discrepancy beyond the costliest run to losses [nats per
                token], ``(draw, candidate)``.
            level: Share of belief inside the interval.
            is_new_run: Whether draws carry noise.
            log_cost_distance: ``(candidate,)``.
            carried_by: Share of each law.

        Raises:
            InvalidInputError: ``level`` is no share.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level must lie between 0 and 1, got {level}")
        tails = (1 - level) / 2
        lower, median, upper = np.quantile(draw(1.0), [tails, 0.5, 1 - tails], axis=0)
        ends = {}
        for name, factor in SENSITIVITY_FACTORS.items():
            low, high = np.quantile(draw(factor), [tails, 1 - tails], axis=0)
            ends[name] = (low, high)
        return cls(
            level=level,
            lower_nats=lower,
            median_nats=median,
            upper_nats=upper,
            is_new_run=is_new_run,
            log_cost_distance=log_cost_distance,
            carried_by=carried_by,
            sensitivity=ends,
            notes=_distance_notes(log_cost_distance),
        )

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


def _distance_notes(log_cost_distance: np.ndarray) -> tuple[Note, ...]:
    ratio = float(np.exp(log_cost_distance.max()))
    if ratio <= VALIDATED_COST_RATIO:
        return ()
    return (
        Note(
            "outside_validated_distance",
            "warning",
            f"a candidate costs {ratio:.3g} times the costliest run, outside validated distance; "
            f"intervals were checked on public tables up to {VALIDATED_COST_RATIO:g} times: train "
            f"a run nearer to it",
        ),
    )
