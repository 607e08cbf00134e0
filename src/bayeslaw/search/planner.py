"""Which runs to do next: a pure function of beliefs."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run
from bayeslaw.search.acquisition import Acquisition, Problem, find_acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.explain import explain
from bayeslaw.search.objectives import parse_objectives
from bayeslaw.search.outcomes import Outcomes
from bayeslaw.search.pool import build_problem, open_candidates
from bayeslaw.search.suggestion import Suggestion
from bayeslaw.space import Candidate

logger = logging.getLogger(__name__)

# How many costs are tried as the price of the dearest run of a space-filling set.
_N_CAPS = 16


def plan(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    done: Sequence[Run] = (),
    pending: Sequence[Run] = (),
    q: int = 1,
    budget_gpu_hours: float | None = None,
    seed: int = 0,
    acquisition: str = "qlognehvi",
    objectives: str | Sequence[str] = "-loss_nats, -tpot_ms",
    limits: str | Sequence[str] = (),
    baseline: Candidate | None = None,
    target_candidates: Sequence[Candidate] = (),
    n_draws: int = 256,
) -> list[Suggestion]:
    """Choose the runs that are worth most for their device-hours.

    Runs are chosen one after the other, each as if those before it were pending: the one with the
    most value per predicted (median) hour among those that the rest of the budget pays for. An
    acquisition without a value (space_filling, random) chooses on its own score among runs
    cheaper than a cap, the highest cap at which all q fit into the budget.

    Args:
        beliefs: Of loss, latency and cost; space_filling and random need only the cost, and that
            only with a budget.
        candidates: The pool; at most a few thousand.
        done: Ended runs, never repeated; the front that a new run must extend is of those that
            did not fail.
        pending: Runs under way; neither repeated nor ignored.
        q: Runs wanted.
        budget_gpu_hours: What they may cost together; None for no limit.
        seed: The same seed, the same plan.
        acquisition: A name in `ACQUISITIONS`.
        objectives: What is wanted, such as ``-loss_nats, -tpot_ms``.
        limits: What must hold, such as ``memory_gb <= 40``.
        baseline: What ``baseline.`` in a limit means.
        target_candidates: What may be built at the target; knowledge_gradient asks which of the
            runs would teach most about the choice between them.
        n_draws: Draws that values are averaged over.

    Returns:
        At most q suggestions, the best first; fewer (even none) when the budget pays for no more.

    Raises:
        InvalidInputError: Nothing to choose from, a q below 1, a budget that is not positive, or
            beliefs that the acquisition, the budget, an objective or a limit needs are missing.
    """
    way = find_acquisition(acquisition)
    _check(beliefs, way, q, budget_gpu_hours)
    pool = open_candidates(candidates, done, pending)
    parsed = parse_objectives(objectives, limits) if way.needs_beliefs else None
    problem, outcomes = build_problem(
        beliefs,
        pool,
        done,
        pending,
        parsed,
        baseline,
        n_draws=n_draws,
        seed=seed,
        target_candidates=target_candidates if way.needs_target else (),
    )
    hours = None
    if beliefs.cost is not None:
        hours = beliefs.cost.predict(pool)["p50"]
    chosen = _choose(way, problem, hours, q, budget_gpu_hours)
    if len(chosen) < q:
        logger.warning(
            "the budget of %s device-hours pays for %d of %d runs",
            budget_gpu_hours,
            len(chosen),
            q,
        )
    record = {
        "acquisition": way.name,
        "seed": seed,
        "n_candidates": len(pool),
        "n_draws": n_draws,
        "n_done_without_shape": sum(run.architecture is None for run in done),
    }
    if parsed is not None and problem.reference_point is not None:
        names = [expression.text for expression in parsed.wanted]
        assert problem.ideal_point is not None
        record["reference_point"] = dict(zip(names, problem.reference_point.tolist(), strict=True))
        record["ideal_point"] = dict(zip(names, problem.ideal_point.tolist(), strict=True))
        logger.info("reference point %s", record["reference_point"])
    suggestions = []
    for place, (row, score) in enumerate(chosen):
        taken = [other for other, _ in chosen[:place]]
        value = math.exp(score) if way.is_per_hour else None
        suggestions.append(
            Suggestion(
                candidate=pool[row],
                loss_nats=_quantiles(outcomes, "loss_nats", row),
                ttft_ms=_quantiles(outcomes, "ttft_ms", row),
                tpot_ms=_quantiles(outcomes, "tpot_ms", row),
                cost_gpu_hours=_cost_quantiles(beliefs, pool[row]),
                value=value,
                value_per_hour=None if value is None or hours is None else value / hours[row],
                why=explain(way, problem, parsed, outcomes, row, taken, hours, value),
                record=record,
            )
        )
    return suggestions


def _choose(
    way: Acquisition,
    problem: Problem,
    hours: np.ndarray | None,
    q: int,
    budget: float | None,
) -> list[tuple[int, float]]:
    """Return rows and scores, in the order they were chosen."""
    everything = np.full(problem.n_candidates, True)
    if way.is_per_hour or hours is None or budget is None:
        return _choose_greedily(way, problem, hours, q, budget, everything)
    caps = np.quantile(hours, np.linspace(1, 0, _N_CAPS))
    best: list[tuple[int, float]] = []
    for cap in caps:
        found = _choose_greedily(way, problem, hours, q, budget, hours <= cap)
        if len(found) > len(best):
            best = found
        if len(best) == min(q, problem.n_candidates):
            break
    return best


def _choose_greedily(
    way: Acquisition,
    problem: Problem,
    hours: np.ndarray | None,
    q: int,
    budget: float | None,
    is_allowed: np.ndarray,
) -> list[tuple[int, float]]:
    left = math.inf if budget is None else budget
    chosen: list[tuple[int, float]] = []
    taken: list[int] = []
    for _ in range(q):
        is_open = is_allowed.copy()
        is_open[taken] = False
        if hours is not None:
            is_open &= hours <= left
        if not is_open.any():
            break
        score = way.score(problem, taken)
        worth = score - np.log(hours) if way.is_per_hour and hours is not None else score
        row = int(np.argmax(np.where(is_open, worth, -np.inf)))
        taken.append(row)
        chosen.append((row, float(score[row])))
        left -= 0.0 if hours is None else float(hours[row])
    return chosen


def _check(beliefs: Beliefs, way: Acquisition, q: int, budget: float | None) -> None:
    if q < 1:
        raise InvalidInputError(f"q must be at least 1 run, got {q}")
    if budget is not None and not budget > 0:
        raise InvalidInputError(f"budget_gpu_hours must be positive, got {budget}")
    if budget is not None and beliefs.cost is None:
        raise InvalidInputError("a budget needs a cost model: fit_cost(runs, device=...)")
    if way.needs_beliefs and beliefs.loss is None:
        raise InvalidInputError(
            f"{way.name} needs a fitted loss law; begin with acquisition='space_filling'"
        )


def _quantiles(outcomes: Outcomes, name: str, row: int) -> dict[str, float] | None:
    found = outcomes.quantiles(name)
    return None if found is None else {key: float(values[row]) for key, values in found.items()}


def _cost_quantiles(beliefs: Beliefs, candidate: Candidate) -> dict[str, float] | None:
    if beliefs.cost is None:
        return None
    return {key: float(values[0]) for key, values in beliefs.cost.predict([candidate]).items()}
