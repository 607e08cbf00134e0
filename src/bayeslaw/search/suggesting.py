"""From chosen rows to suggestions that a person and a scheduler can read."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from bayeslaw.models.notes import Note
from bayeslaw.search.acquisition import Acquisition, Problem
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.certainty import monte_carlo_error
from bayeslaw.search.explain import explain
from bayeslaw.search.finalists import second_opinion
from bayeslaw.search.outcomes import draw_outcomes
from bayeslaw.search.pool import Asked
from bayeslaw.search.portfolio import Portfolio
from bayeslaw.search.suggestion import Suggestion

logger = logging.getLogger(__name__)


def suggestions_of(
    beliefs: Beliefs,
    pool: CandidatePool,
    asked: Asked,
    way: Acquisition,
    problem: Problem,
    chosen: Portfolio,
    *,
    n_open: int,
    notes: Sequence[Note] = (),
) -> list[Suggestion]:
    """Return chosen runs with what is expected of each, how sure its value is, and why.

    Args:
        beliefs: What it is expected by.
        pool: The problem's candidates.
        asked: What the plan was asked for.
        way: What chose them.
        problem: What they were chosen from.
        chosen: Rows and scores, in order.
        n_open: Candidates before any was screened out [count].
        notes: On what the plan rests.
    """
    if not len(chosen):
        return []
    record = _record(way, problem, asked, chosen, n_open)
    if notes:
        record["notes"] = [note.to_dict() for note in notes]
    candidates = [pool[row] for row in chosen.rows]
    outcomes = draw_outcomes(
        beliefs, candidates, baseline=asked.baseline, n_draws=asked.n_draws, seed=asked.seed
    )
    costs = None if beliefs.cost is None else beliefs.cost.predict(candidates)
    found = []
    for place, (row, score) in enumerate(zip(chosen.rows, chosen.scores, strict=True)):
        taken = list(chosen.rows[:place])
        value = math.exp(score) if way.is_per_hour else None
        hours = None if costs is None else float(costs["p50"][place])
        of_run = dict(record)
        if way.is_per_hour:
            of_run["value_stderr"] = monte_carlo_error(way, problem, row, taken)
        if way.gain is not None:
            of_run["second_opinion"] = second_opinion(problem, row).to_dict()
        found.append(
            Suggestion(
                candidate=candidates[place],
                **{
                    name: None
                    if (q := outcomes.quantiles(name)) is None
                    else {key: float(values[place]) for key, values in q.items()}
                    for name in ("loss_nats", "ttft_ms", "tpot_ms")
                },
                cost_gpu_hours=None
                if costs is None
                else {key: float(values[place]) for key, values in costs.items()},
                value=value,
                value_per_hour=None if value is None or hours is None else value / hours,
                why=explain(
                    way, problem, asked.objectives, outcomes, place, row, taken, hours, value
                ),
                record=of_run,
            )
        )
    return found


def _record(
    way: Acquisition, problem: Problem, asked: Asked, chosen: Portfolio, n_open: int
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "acquisition": way.name,
        "seed": asked.seed,
        "n_candidates": n_open,
        "n_scored": problem.n_candidates,
        "n_draws": asked.n_draws,
        "n_pending": problem.n_pending,
        "n_done_without_shape": sum(run.architecture is None for run in asked.done),
    }
    if way.needs_target:
        record |= {"goal": asked.goal, "n_target": problem.n_target}
    if chosen.cost_power is not None:
        record["cost_power"] = chosen.cost_power
    if chosen.gain is not None:
        record["plan_gain"] = chosen.gain
    if asked.objectives is not None and problem.reference_point is not None:
        names = [expression.text for expression in asked.objectives.wanted]
        assert problem.ideal_point is not None
        record["reference_point"] = dict(zip(names, problem.reference_point.tolist(), strict=True))
        record["ideal_point"] = dict(zip(names, problem.ideal_point.tolist(), strict=True))
        logger.info("reference point %s", record["reference_point"])
    return record
