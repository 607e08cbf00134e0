"""Which runs to do next: a pure function of beliefs."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note
from bayeslaw.runs import Run
from bayeslaw.search.acquisition import Acquisition, Goal, find_acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.objectives import parse_objectives
from bayeslaw.search.pool import Asked, build_problem, open_pool
from bayeslaw.search.portfolio import choose_runs
from bayeslaw.search.screening import screen
from bayeslaw.search.suggesting import suggestions_of
from bayeslaw.search.suggestion import Suggestion
from bayeslaw.search.trust import trusted
from bayeslaw.search.viability import Viability
from bayeslaw.space import Candidate

logger = logging.getLogger(__name__)

OBJECTIVES = "-loss_nats, -tpot_ms"
N_DRAWS = 512
"""Joint draws that values are averaged over, unless told otherwise."""


def plan(
    beliefs: Beliefs,
    candidates: Sequence[Candidate] | CandidatePool,
    *,
    done: Sequence[Run] = (),
    pending: Sequence[Run] = (),
    q: int = 1,
    budget_gpu_hours: float | None = None,
    max_gpu_hours: float | None = None,
    max_runs: int | None = None,
    seed: int = 0,
    acquisition: str = "target_lookahead",
    objectives: str | Sequence[str] = OBJECTIVES,
    limits: str | Sequence[str] = (),
    baseline: Candidate | None = None,
    target_candidates: Sequence[Candidate] = (),
    goal: Goal = "choice",
    viability: Viability | None = None,
    n_draws: int = N_DRAWS,
) -> list[Suggestion]:
    """Choose the runs that are worth most for their device-hours.

    Runs are chosen one after the other, each as if those before it were under way. With a budget,
    several ways of weighing value against cost are planned to its end and the best is taken
    (`choose_runs`). An acquisition without a value (space_filling, random) chooses on its own score
    among runs cheaper than a cap, the highest cap at which all q fit into the budget.

    Args:
        beliefs: Of loss, latency and cost; space_filling and random need only the cost, and that
            only with a budget.
        candidates: The pool: candidates or their columns, up to millions where the acquisition
            looks at the target.
        done: Ended runs, never repeated.
        pending: Runs under way; neither repeated nor ignored.
        q: Runs wanted.
        budget_gpu_hours: What they and all later runs may cost together; None for no limit.
        max_gpu_hours: What any one of them may cost, such as a deadline's hours times the devices
            of a slot; None for no limit.
        max_runs: Runs that the budget may be spread over, these and all later ones; None where only
            hours count. A lab of few slots and rounds is better served by fewer, dearer runs.
        seed: The same seed, the same plan.
        acquisition: A name in `ACQUISITIONS`.
        objectives: What is wanted, such as ``-loss_nats, -tpot_ms``.
        limits: What must hold, such as ``memory_gb <= 40``.
        baseline: What ``baseline.`` in a limit means.
        target_candidates: What may be built at the target; acquisitions that look at the target
            ask which runs would teach most about it.
        goal: What the runs are for: the ``choice`` of one of them, their whole ``front``, or small
            ``error`` of their predicted losses.
        viability: What is known of runs that fail; values are multiplied by the chance of success.
        n_draws: Draws that values are averaged over.

    Returns:
        At most q suggestions, the best first; fewer (even none) when the budget pays for no more.

    Raises:
        InvalidInputError: Nothing to choose from, a q below 1, a budget that is not positive,
            beliefs that the acquisition, the budget, an objective or a limit needs are missing, or
            the chains of a posterior failed. (Doubtful ones are widened: ``record["notes"]``.)
    """
    way = find_acquisition(acquisition)
    _check(beliefs, way, q, {"budget_gpu_hours": budget_gpu_hours, "max_gpu_hours": max_gpu_hours})
    if max_runs is not None and max_runs < q:
        raise InvalidInputError(f"max_runs must be at least q = {q}, got {max_runs}")
    asked = _asked(
        way, done=done, pending=pending, objectives=objectives, limits=limits, baseline=baseline,
        target_candidates=target_candidates, goal=goal, n_draws=n_draws, seed=seed,
    )  # fmt: skip
    notes: tuple[Note, ...] = ()
    if way.needs_beliefs and beliefs.loss is not None:
        sure, notes = trusted(beliefs.loss)
        # The same object where nothing changed: what is known of the target is kept with it.
        beliefs = replace(beliefs, loss=sure) if notes else beliefs
    pool = open_pool(candidates, done, pending)
    n_open = len(pool)
    hours = _hours(beliefs, pool)
    if max_gpu_hours is not None and hours is not None:
        pool, hours = pool.take(hours <= max_gpu_hours), hours[hours <= max_gpu_hours]
        if not len(pool):
            logger.warning("no candidate costs at most %s device-hours", max_gpu_hours)
            return []
    near = screen(beliefs, pool, asked, way, hours)
    pool, hours = pool.take(near), None if hours is None else hours[near]
    problem = build_problem(
        beliefs,
        pool,
        asked,
        way,
        hours=hours,
        p_success=None if viability is None else viability.p_success(pool.columns),
    )
    chosen = choose_runs(way, problem, budget_hours=budget_gpu_hours, n_runs=q, max_runs=max_runs)
    if len(chosen) < q:
        logger.warning(
            "the budget of %s device-hours pays for %d of %d runs", budget_gpu_hours, len(chosen), q
        )
    return suggestions_of(beliefs, pool, asked, way, problem, chosen, n_open=n_open, notes=notes)


def worth(
    beliefs: Beliefs,
    candidates: Sequence[Candidate] | CandidatePool,
    *,
    acquisition: str = "target_lookahead",
    cost_power: float = 1.0,
    viability: Viability | None = None,
    budget_gpu_hours: float | None = None,
    max_gpu_hours: float | None = None,
    max_runs: int | None = None,
    **asked: Any,
) -> np.ndarray:
    """Return what each candidate alone is worth for its hours ``(candidate,)``, for a climb.

    The log of its value over a power of its cost; minus infinity for one that may not be run for its
    cost.

    Args:
        beliefs: As in `plan`.
        candidates: Any, done ones too.
        acquisition: One with a value per hour.
        cost_power: What the cost is raised to.
        viability: As in `plan`.
        budget_gpu_hours: As in `plan`.
        max_gpu_hours: As in `plan`.
        max_runs: Taken so that all that `plan` takes may be passed; one run alone has no use for it.
        **asked: As in `plan`: done, pending, objectives and so on.
    """
    way = find_acquisition(acquisition)
    most = min((x for x in (budget_gpu_hours, max_gpu_hours) if x is not None), default=math.inf)
    _check(beliefs, way, 1, {"budget_gpu_hours": budget_gpu_hours, "max_gpu_hours": max_gpu_hours})
    pool = candidates
    if not isinstance(pool, CandidatePool):
        pool = CandidatePool.from_candidates(pool)
    hours = _hours(beliefs, pool)
    p_success = None if viability is None else viability.p_success(pool.columns)
    problem = build_problem(
        beliefs, pool, _asked(way, **asked), way, hours=hours, p_success=p_success
    )
    score = way.score(problem, [])
    if hours is None:
        return score
    return np.where(hours <= most, score - cost_power * np.log(hours), -np.inf)


def _asked(
    way: Acquisition,
    *,
    done: Sequence[Run] = (),
    pending: Sequence[Run] = (),
    objectives: str | Sequence[str] = OBJECTIVES,
    limits: str | Sequence[str] = (),
    baseline: Candidate | None = None,
    target_candidates: Sequence[Candidate] = (),
    goal: Goal = "choice",
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> Asked:
    if goal not in get_args(Goal):
        raise InvalidInputError(f"goal must be one of {get_args(Goal)}, got {goal!r}")
    return Asked(
        done=tuple(done),
        pending=tuple(pending),
        objectives=parse_objectives(objectives, limits) if way.needs_beliefs else None,
        baseline=baseline,
        target_candidates=tuple(dict.fromkeys(target_candidates)),
        goal=goal,
        n_draws=n_draws,
        seed=seed,
    )


def _hours(beliefs: Beliefs, pool: CandidatePool) -> np.ndarray | None:
    return None if beliefs.cost is None else beliefs.cost.predict(pool.columns)["p50"]


def _check(beliefs: Beliefs, way: Acquisition, q: int, budgets: dict[str, float | None]) -> None:
    if q < 1:
        raise InvalidInputError(f"q must be at least 1 run, got {q}")
    for name, budget in budgets.items():
        if budget is not None and not budget > 0:
            raise InvalidInputError(f"{name} must be positive GPU-hours, got {budget}")
        if budget is not None and beliefs.cost is None:
            raise InvalidInputError(f"{name} needs a cost model: fit_cost(runs, device=...)")
    if way.needs_beliefs and beliefs.loss is None:
        raise InvalidInputError(
            f"{way.name} needs a fitted loss law; begin with acquisition='space_filling'"
        )
