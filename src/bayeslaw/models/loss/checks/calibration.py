"""Whether the fitted runs fall where the fit puts them: tests of LOO-PIT with a stated error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

FAILURE_RATE = 0.01
"""How often at most a fit whose intervals are right is called wrong (three tests share it)."""

MIN_RUNS = 12
"""With twelve runs, intervals half as wide as they should be are seen four times in five."""


@dataclass(frozen=True)
class Calibration:
    """Hold the outcome of three tests that probability integral transforms are uniform.

    Attributes:
        n_runs: Runs looked at.
        p_shift: That the middle is right: mean of the normal scores.
        p_spread: That the width is right: sum of their squares.
        p_shape: That the rest is right: Kolmogorov and Smirnov.
        mean_score: Mean of the normal scores; positive when losses are higher than predicted.
        sd_score: Their root mean square; above one when intervals are too narrow.
        inside90: Share of runs inside their central 90 % interval.
    """

    n_runs: int
    p_shift: float
    p_spread: float
    p_shape: float
    mean_score: float
    sd_score: float
    inside90: float

    @property
    def fault(self) -> str:
        """The worst fault: ``biased``, ``too_narrow``, ``too_wide``, ``wrong_shape``; or empty."""
        tests = {"shift": self.p_shift, "spread": self.p_spread, "shape": self.p_shape}
        worst = min(tests, key=lambda name: tests[name])
        if tests[worst] >= FAILURE_RATE / len(tests):
            return ""
        spread = "too_narrow" if self.sd_score > 1 else "too_wide"
        return {"shift": "biased", "spread": spread, "shape": "wrong_shape"}[worst]


def check_calibration(pit: np.ndarray) -> Calibration:
    """Test that probability integral transforms ``(run,)`` are independent and uniform.

    Kolmogorov and Smirnov's test alone hardly sees a wrong width (20 runs, intervals half as wide
    as they should be: 19 times in 100), so middle and width have tests of their own.

    >>> rng = np.random.default_rng(0)
    >>> check_calibration(rng.uniform(size=200)).fault
    ''
    >>> check_calibration(rng.beta(0.5, 0.5, size=60)).fault
    'too_narrow'
    """
    n_runs = len(pit)
    # A run that cannot be is one in a billion, or its score would be infinite.
    scores = stats.norm.ppf(np.clip(pit, 1e-9, 1 - 1e-9))
    square = float(scores @ scores)
    below = float(stats.chi2.cdf(square, n_runs))
    return Calibration(
        n_runs=n_runs,
        p_shift=float(2 * stats.norm.sf(abs(scores.mean()) * np.sqrt(n_runs))),
        p_spread=2 * min(below, 1 - below),
        p_shape=float(stats.kstest(pit, "uniform").pvalue),
        mean_score=float(scores.mean()),
        sd_score=float(np.sqrt(square / n_runs)),
        inside90=float(np.mean((pit >= 0.05) & (pit <= 0.95))),
    )


def uniform_band(n_runs: int, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the empirical distribution of so many uniforms stays, all along, but rarely.

    The band of the shape's test: a curve that leaves it anywhere fails.

    Returns:
        Lower and upper ends at ``at`` ``(point,)``.
    """
    gap = float(stats.kstwo.isf(FAILURE_RATE / 3, n_runs))
    return np.clip(at - gap, 0, 1), np.clip(at + gap, 0, 1)
