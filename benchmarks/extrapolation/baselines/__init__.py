"""What ours is judged against: other people's procedures, as their users would run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.extrapolation.baselines import (
    chinchilla_huber,
    p2_curve_fit,
    simple_scaling_laws,
)
from benchmarks.extrapolation.baselines.forecast import N_DRAWS, Columns, Forecast

BASELINES: Mapping[str, Callable[[Columns, Columns, int], Forecast]] = {
    "chinchilla_huber": chinchilla_huber.forecast,
    "p2_curve_fit": p2_curve_fit.forecast,
    "simple_scaling_laws": simple_scaling_laws.forecast,
}
"""From fitted and held-out columns and a seed to a forecast, by METHOD key."""

__all__ = ["BASELINES", "N_DRAWS", "Columns", "Forecast"]
