"""Which run would settle the choice, or that none within the budget would change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bayeslaw.runs import Run
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.own_errors import with_own_errors
from bayeslaw.search.planner import plan
from bayeslaw.search.pool import as_candidate
from bayeslaw.search.recommendation.judge import ALIKE_SHARE
from bayeslaw.search.suggestion import Quantiles
from bayeslaw.space import Candidate

WORTH_SHARE = 0.1 * ALIKE_SHARE
"""A gain below this share of the box changes no decision: a tenth of a regret worth a run."""

_FEWEST_DRAWS, _MOST_DRAWS = 512, 2048


@dataclass(frozen=True)
class DecidingRun:
    """Say what the most telling run would do for the choice.

    Attributes:
        candidate: What to train.
        cost_gpu_hours: Quantiles of its cost; None without a cost model.
        gain_share: By how much it is expected to lower the expected regret [share of the box].
        gain_stderr: Monte Carlo error of that.
        budget_gain_share: The same of the whole budget's runs; None where the planner cannot say.
        regret_share: Expected regret of the choice as it is [share of the box].
        are_errors_own: Whether all this is as if errors beyond the runs were each architecture's
            own.
        why: For a person, in a sentence.
    """

    candidate: Candidate
    cost_gpu_hours: Quantiles | None
    gain_share: float
    gain_stderr: float
    budget_gain_share: float | None
    regret_share: float
    are_errors_own: bool
    why: str

    @property
    def is_worth_it(self) -> bool:
        """Whether it, or all that the budget pays for, would change the decision often enough.

        A gain within twice its Monte Carlo error of `WORTH_SHARE` counts for nothing here, and
        against nothing in `may_be_worth_it`.
        """
        return max(self.gain_share - 2 * self.gain_stderr, self._of_budget) >= WORTH_SHARE

    @property
    def may_be_worth_it(self) -> bool:
        """Whether the Monte Carlo error leaves that open, at least."""
        return max(self.gain_share + 2 * self.gain_stderr, self._of_budget) >= WORTH_SHARE

    @property
    def _of_budget(self) -> float:
        return self.budget_gain_share or 0.0

    @property
    def decides(self) -> bool:
        """Whether what regret is left after it is not worth another run."""
        return self.regret_share - self.gain_share <= ALIKE_SHARE

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "architecture": self.candidate.architecture.to_dict(),
            "n_tokens": self.candidate.n_tokens,
            "cost_gpu_hours": None if self.cost_gpu_hours is None else dict(self.cost_gpu_hours),
            "gain_share": self.gain_share,
            "gain_stderr": self.gain_stderr,
            "budget_gain_share": self.budget_gain_share,
            "regret_share": self.regret_share,
            "are_errors_own": self.are_errors_own,
            "is_worth_it": self.is_worth_it,
            "may_be_worth_it": self.may_be_worth_it,
            "decides": self.decides,
            "why": self.why,
        }


def deciding_run(
    beliefs: Beliefs,
    wanted: Objectives,
    runs: Sequence[Candidate],
    targets: Sequence[Candidate],
    *,
    regret_shares: tuple[float, float | None],
    baseline: Candidate | None,
    done: Sequence[Run],
    pending: Sequence[Run],
    budget_gpu_hours: float | None,
    seed: int,
) -> DecidingRun | None:
    """Return the run that would teach most about the choice; None where none is left or can be paid.

    It is looked for as errors beyond the runs are believed to be shared, and, where the choice is
    only open if they are each architecture's own, as if they were.

    Args:
        beliefs: As the choice was made from.
        wanted: Objectives and limits.
        runs: What may be run.
        targets: What is chosen between.
        regret_shares: Of the choice, with errors as believed and with own errors (None where those
            are not known apart).
        baseline: What ``baseline.`` in a limit means.
        done: Ended runs, never repeated.
        pending: Runs under way: what they will teach is counted before this run's.
        budget_gpu_hours: What it may cost; None for no limit.
        seed: Of the draws.
    """
    known = {as_candidate(run) for run in (*done, *pending)}
    if all(candidate in known for candidate in runs) or beliefs.loss is None:
        return None
    shared, own = regret_shares
    are_errors_own = own is not None and own > ALIKE_SHARE >= shared
    ensemble = with_own_errors(beliefs.loss, seed) if are_errors_own else beliefs.loss
    found = plan(
        replace(beliefs, loss=ensemble),
        runs,
        done=done,
        pending=pending,
        q=1,
        budget_gpu_hours=budget_gpu_hours,
        seed=seed,
        acquisition="target_lookahead",
        objectives=[expression.text for expression in wanted.wanted],
        limits=[expression.text for expression in wanted.limits],
        baseline=baseline,
        target_candidates=targets,
        n_draws=min(max(beliefs.loss.n_members, _FEWEST_DRAWS), _MOST_DRAWS),
    )
    if not found:
        return None
    best = found[0]
    return DecidingRun(
        candidate=best.candidate,
        cost_gpu_hours=best.cost_gpu_hours,
        gain_share=best.value or 0.0,
        gain_stderr=best.record.get("value_stderr") or 0.0,
        budget_gain_share=best.record.get("plan_gain"),
        regret_share=own if own is not None and are_errors_own else shared,
        are_errors_own=are_errors_own,
        why=best.why,
    )
