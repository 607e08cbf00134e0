"""A set of runs for a budget: chosen one after the other, each as if those before it were under way."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bayeslaw.search.acquisition import Acquisition, Problem

# How many costs are tried as the price of the dearest run of a space-filling set.
_N_CAPS = 16
# A budget is planned for this many runs at most, on this many candidates drawn from the pool: what
# is asked is only which power of the cost spends it best.
_N_PLANNED = 64
_N_DRAFTED = 384


@dataclass(frozen=True)
class Portfolio:
    """Hold runs in the order they were chosen.

    Attributes:
        rows: Of the problem.
        scores: Of each when it was chosen.
        cost_power: Power of the cost that values were divided by; None for an acquisition that
            does not weigh costs.
        gain: What a plan for the whole budget is expected to gain; None where the acquisition
            cannot say.
    """

    rows: tuple[int, ...]
    scores: tuple[float, ...]
    cost_power: float | None = None
    gain: float | None = None

    def __len__(self) -> int:
        return len(self.rows)


def choose_runs(
    way: Acquisition,
    problem: Problem,
    *,
    budget_hours: float | None = None,
    n_runs: int | None = None,
    max_runs: int | None = None,
) -> Portfolio:
    """Choose runs that are worth most for their hours.

    With a budget, an acquisition that can value whole sets and knows several powers of the cost drafts a
    plan for the *whole* budget under each and takes the power whose plan is expected to gain
    most. Value per hour alone (power 1) buys many cheap runs, and is right where the budget is
    far away; a small budget is better spent on few dear ones. An acquisition without a value chooses
    on its own score among runs cheaper than a cap, the highest at which all ``n_runs`` fit into
    the budget.

    Args:
        way: The acquisition.
        problem: With ``hours`` where there is a budget.
        budget_hours: What the plan may cost [GPU-hours]; None for no limit.
        n_runs: Runs wanted now; None for the whole plan.
        max_runs: Runs that the budget may be spread over, now and later; None where it is the only
            limit. Few runs are better dear ones.
    """
    n_wanted = problem.n_candidates if n_runs is None else min(n_runs, problem.n_candidates)
    everything = np.full(problem.n_candidates, True)
    hours = problem.hours
    if hours is None or budget_hours is None:
        power = way.cost_powers[0] if way.is_per_hour else None
        return _greedy(way, problem, power, n_wanted, math.inf, everything)
    if way.is_per_hour:
        power, gain = _best_power(way, problem, budget_hours, max_runs)
        found = _greedy(way, problem, power, n_wanted, budget_hours, everything)
        return Portfolio(found.rows, found.scores, power, gain)
    best = Portfolio((), ())
    for cap in np.quantile(hours, np.linspace(1, 0, _N_CAPS)):
        found = _greedy(way, problem, None, n_wanted, budget_hours, hours <= cap)
        if len(found) > len(best):
            best = found
        if len(best) == n_wanted:
            break
    return best


def _best_power(
    way: Acquisition, problem: Problem, budget_hours: float, max_runs: int | None
) -> tuple[float, float | None]:
    """Return the power of the cost under which the budget is expected to gain most, and that gain.

    Plans that end at `max_runs` are compared as they are. Plans that end at `_N_PLANNED` runs, where
    neither the budget nor anyone asked for it, are compared at what the least of them spends.
    """
    if way.gain is None or way.draft is None or len(way.cost_powers) == 1:
        return way.cost_powers[0], None
    drafted, hours = problem, problem.hours
    assert hours is not None
    if problem.n_candidates > _N_DRAFTED:
        rng = np.random.default_rng(problem.seed)
        kept = np.sort(rng.choice(problem.n_candidates, _N_DRAFTED, replace=False))
        drafted, hours = problem.narrowed(kept), hours[kept]
    quick = replace(way, score=way.draft)
    everything = np.full(drafted.n_candidates, True)
    n_planned = _N_PLANNED if max_runs is None else min(max_runs, _N_PLANNED)
    plans = [
        np.array(
            _greedy(quick, drafted, power, n_planned, budget_hours, everything).rows, dtype=int
        )
        for power in way.cost_powers
    ]
    spent = [np.cumsum(hours[plan]) for plan in plans]
    if n_planned != max_runs and any(len(plan) == n_planned for plan in plans):
        common = min(float(sums[-1]) if len(sums) else 0.0 for sums in spent)
        plans = [plan[sums <= common] for plan, sums in zip(plans, spent, strict=True)]
    gains = [way.gain(drafted, plan.tolist()) if len(plan) else 0.0 for plan in plans]
    best = int(np.argmax(gains))
    return way.cost_powers[best], gains[best]


def _greedy(
    way: Acquisition,
    problem: Problem,
    cost_power: float | None,
    n_runs: int,
    budget_hours: float,
    is_allowed: np.ndarray,
) -> Portfolio:
    hours, left = problem.hours, budget_hours
    rows: list[int] = []
    scores: list[float] = []
    is_open = is_allowed.copy()
    for _ in range(n_runs):
        if hours is not None:
            is_open &= hours <= left
        if not is_open.any():
            break
        score = way.score(problem, rows)
        worth = score
        if cost_power is not None and hours is not None:
            worth = score - cost_power * np.log(hours)
        row = int(np.argmax(np.where(is_open, worth, -np.inf)))
        rows.append(row)
        scores.append(float(score[row]))
        is_open[row] = False
        left -= 0.0 if hours is None else float(hours[row])
    return Portfolio(tuple(rows), tuple(scores), cost_power)
