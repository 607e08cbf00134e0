"""Runs out of a space that no pool can hold: a sample, then a climb by the acquisition itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bayeslaw.search.acquisition import find_acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidates import SearchRound, improve
from bayeslaw.search.planner import plan, worth
from bayeslaw.search.suggestion import Suggestion
from bayeslaw.space import Candidate, SearchSpace

_ROUNDS = 6
_CLIMBERS_PER_RUN = 2
_EVALUATIONS_PER_CLIMBER = 96


def plan_in_space(
    beliefs: Beliefs,
    space: SearchSpace,
    *,
    n_sampled: int = 512,
    q: int = 1,
    seed: int = 0,
    acquisition: str = "target_lookahead",
    on_round: Callable[[SearchRound], None] | None = None,
    **asked: Any,
) -> list[Suggestion]:
    """Choose runs out of a whole space.

    Members are sampled, a plan from them says how costs are to be weighed, the acquisition climbs from
    the best along the space's axes, and `plan` chooses from all that the sample and the climb found. Every suggestion meets every constraint
    of the space exactly. An acquisition without a value per hour has nothing to climb by and chooses
    from the sample.

    Args:
        beliefs: As in `plan`.
        space: What may be run.
        n_sampled: Members to begin with [count].
        q: Runs wanted.
        seed: The same seed, the same plan.
        acquisition: As in `plan`.
        on_round: Told after every round of the climb.
        **asked: All else that `plan` takes.

    Raises:
        InvalidInputError: As `plan`.
        EmptySpaceError: No member meets the constraints; the error names two that contradict.
    """
    pool = space.sample(n_sampled, seed)
    first = plan(beliefs, pool, q=1, seed=seed, acquisition=acquisition, **asked)
    if first and find_acquisition(acquisition).is_per_hour:
        power = first[0].record["cost_power"]
        known = {
            Candidate(run.architecture, run.n_tokens)
            for run in (*asked.get("done", ()), *asked.get("pending", ()))
            if run.architecture is not None
        }

        def score(some: Sequence[Candidate]) -> np.ndarray:
            values = worth(
                beliefs, some, acquisition=acquisition, cost_power=power, seed=seed, **asked
            )
            return np.where([candidate in known for candidate in some], -np.inf, values)

        climbed = improve(
            space,
            pool,
            score,
            rounds=_ROUNDS,
            width=_CLIMBERS_PER_RUN * q,
            max_evaluations=len(pool) + _EVALUATIONS_PER_CLIMBER * _CLIMBERS_PER_RUN * q,
            seed=seed,
            on_round=on_round,
        )
        pool = [*pool, *climbed]
    return plan(beliefs, pool, q=q, seed=seed, acquisition=acquisition, **asked)
