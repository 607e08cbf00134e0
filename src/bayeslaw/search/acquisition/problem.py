"""What every acquisition is given: a pool of candidates, runs done and pending, and draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Goal = Literal["choice", "front", "error"]
"""What is wanted at the target: the best one candidate, a whole front, or small error everywhere."""


@dataclass(frozen=True, eq=False)
class Aims:
    """Hold what the runs are for, as functions of the draws.

    Attributes:
        values: Each aim under each draw ``(draw, aim)``.
        decisions: Which decision each aim is an alternative of ``(aim,)``; empty where all aims
            are to be known alike and nothing is chosen between them.
    """

    values: np.ndarray
    decisions: np.ndarray

    def best(self, means: np.ndarray) -> np.ndarray:
        """Return what the decisions gain on average under means ``(..., aim)``, each taking its best."""
        ends = np.flatnonzero(np.diff(self.decisions, append=-1)) + 1
        starts = [0, *ends[:-1]]
        tops = [means[..., a:b].max(axis=-1) for a, b in zip(starts, ends, strict=True)]
        return np.mean(tops, axis=0)


@dataclass(frozen=True, eq=False)
class Problem:
    """Hold one pool: candidates first, then done runs, pending ones and the target's candidates.

    A row need not be an architecture: arrays are all there is, so a table of runs of anything will
    do. Draws are joint over rows, the law's own error included; those of one law lie together.

    Attributes:
        n_candidates: Leading rows that may be chosen [count].
        n_done: Rows after them that are done [count].
        n_pending: Rows after those that are under way [count].
        features: Log2 shape, size and tokens of every row ``(row, feature)``.
        feature_names: Of the columns.
        seed: Of what an acquisition draws itself.
        n_target: Rows after those that may be built at the target [count].
        hours: Median cost of each candidate [GPU-hours] ``(candidate,)``; None where unknown.
        log_losses: Log of mean losses ``(draw, row)``; None before a law.
        noise_sd: Standard deviation of a run's log loss around them ``(row,)``.
        law: Number of the law that each draw is of ``(draw,)``; a law weighs its share of draws.
        utilities: What is wanted, more is better ``(draw, row, objective)``; None before a law.
        margins: By how much limits hold ``(draw, row, limit)``.
        reference_point: In units of the objectives ``(objective,)``; None before a law.
        ideal_point: Best value of each objective that is expected anywhere ``(objective,)``.
        target_utilities: What is wanted, of the target's candidates alone ``(draw, target,
            objective)``.
        target_margins: By how much limits hold there ``(draw, target, limit)``.
        aims: What follows from those for the goal; worked out by `aims_of` where it is None.
        p_success: Chance of each candidate that the run will not fail ``(candidate,)``; None where
            nothing is known of failures.
        goal: What the runs are for.
        done_log_losses: Log of the losses measured ``(done,)``; None where nobody needs them.
    """

    n_candidates: int
    n_done: int
    n_pending: int
    features: np.ndarray
    feature_names: tuple[str, ...]
    seed: int
    n_target: int = 0
    hours: np.ndarray | None = None
    log_losses: np.ndarray | None = None
    noise_sd: np.ndarray | None = None
    law: np.ndarray | None = None
    utilities: np.ndarray | None = None
    margins: np.ndarray | None = None
    reference_point: np.ndarray | None = None
    ideal_point: np.ndarray | None = None
    target_utilities: np.ndarray | None = None
    target_margins: np.ndarray | None = None
    aims: Aims | None = None
    p_success: np.ndarray | None = None
    goal: Goal = "choice"
    done_log_losses: np.ndarray | None = None

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

    def narrowed(self, kept: np.ndarray) -> Problem:
        """Return the problem with these candidates only, rows of all else as they are."""
        rows = np.concatenate([kept, np.arange(self.n_candidates, len(self.features))])

        def of_rows(values: np.ndarray | None, axis: int = 0) -> np.ndarray | None:
            return None if values is None else np.take(values, rows, axis=axis)

        return replace(
            self,
            n_candidates=len(kept),
            features=self.features[rows],
            hours=None if self.hours is None else self.hours[kept],
            p_success=None if self.p_success is None else self.p_success[kept],
            noise_sd=of_rows(self.noise_sd),
            log_losses=of_rows(self.log_losses, 1),
            utilities=of_rows(self.utilities, 1),
            margins=of_rows(self.margins, 1),
        )


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
        needs_front: Whether it asks for utilities of every candidate, at the candidate's own scale.
        cost_powers: Powers of the cost that a value may be divided by. With several, and a budget,
            whole plans are compared by their ``gain``.
        gain: Values a whole set of runs ``(problem, rows)``; None where nothing is known of it.
        draft: A quicker stand-in for ``score`` by which such plans are drawn up.
    """

    name: str
    score: Score
    is_per_hour: bool
    needs_beliefs: bool
    summary: str
    needs_target: bool = False
    needs_front: bool = False
    cost_powers: tuple[float, ...] = (1.0,)
    gain: Callable[[Problem, Sequence[int]], float] | None = None
    draft: Score | None = None
