"""What every acquisition is given: a pool of candidates, runs done and pending, and draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Hold one pool: candidates first, then done runs, pending ones and the target's candidates.

    Attributes:
        n_candidates: Leading rows that may be chosen [count].
        n_done: Rows after them that are done [count].
        n_pending: Rows after those that are under way [count].
        features: Log2 shape, size and tokens of every row ``(row, feature)``.
        feature_names: Of the columns.
        utilities: What is wanted, more is better ``(draw, row, objective)``; None before a law.
        margins: By how much limits hold ``(draw, row, limit)``.
        reference_point: In units of the objectives ``(objective,)``; None before a law.
        ideal_point: Best value of each objective that is expected anywhere ``(objective,)``.
        seed: Of what an acquisition draws itself.
        n_target: Rows after those that may be built at the target [count].
        log_losses: Log of mean losses ``(draw, row)``; None before a law.
        noise_sd: Standard deviation of a run's log loss around them.
    """

    n_candidates: int
    n_done: int
    n_pending: int
    features: np.ndarray
    feature_names: tuple[str, ...]
    utilities: np.ndarray | None
    margins: np.ndarray | None
    reference_point: np.ndarray | None
    ideal_point: np.ndarray | None
    seed: int
    n_target: int = 0
    log_losses: np.ndarray | None = None
    noise_sd: float = 0.0

    @property
    def done(self) -> np.ndarray:
        """Rows of done runs."""
        return np.arange(self.n_candidates, self.n_candidates + self.n_done)

    @property
    def pending(self) -> np.ndarray:
        """Rows of pending runs."""
        start = self.n_candidates + self.n_done
        return np.arange(start, start + self.n_pending)

    @property
    def target(self) -> np.ndarray:
        """Rows of the target's candidates."""
        start = self.n_candidates + self.n_done + self.n_pending
        return np.arange(start, start + self.n_target)


Score = Callable[[Problem, Sequence[int]], np.ndarray]
"""Score every candidate given the rows already chosen: ``(candidate,)``, more is better.

With ``is_per_hour`` the score is the log of a value that may be divided by hours.
"""


@dataclass(frozen=True)
class Acquisition:
    """Register one way to choose runs.

    Attributes:
        name: What a study calls it.
        score: Scores all candidates of a problem.
        is_per_hour: Whether scores are log values, to be divided by the hours a run takes.
        needs_beliefs: Whether it works only once a loss law is fitted.
        summary: In a few words, for people.
        needs_target: Whether it asks what the target's candidates are.
    """

    name: str
    score: Score
    is_per_hour: bool
    needs_beliefs: bool
    summary: str
    needs_target: bool = False
