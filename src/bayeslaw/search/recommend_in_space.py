"""A recommendation out of a space that no list can hold: a sample, then a climb by expected utility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidates import CandidateScore, SearchRound, improve
from bayeslaw.search.front import (
    box_share,
    keeps_limits,
    reference_and_ideal,
    without_common_shift,
)
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.outcomes import draw_outcomes
from bayeslaw.search.planner import OBJECTIVES
from bayeslaw.search.recommend import P_FEASIBLE, recommend
from bayeslaw.search.recommendation import Recommendation
from bayeslaw.space import Candidate, SearchSpace

_ROUNDS = 6
_CLIMBERS = 8
_NEIGHBOURS = 16
_N_DRAWS = 128
# What all candidates of a draw share is read off these, the same in every batch.
_ANCHORS = 24
_FAR = 1e6


def recommend_in_space(
    beliefs: Beliefs,
    space: SearchSpace,
    *,
    n_sampled: int = 512,
    seed: int = 0,
    baseline: Candidate | None = None,
    objectives: str | Sequence[str] = OBJECTIVES,
    limits: str | Sequence[str] = (),
    p_feasible: float = P_FEASIBLE,
    on_round: Callable[[SearchRound], None] | None = None,
    **asked: Any,
) -> Recommendation:
    """Recommend a member of a whole space.

    Members are sampled, expected utility is climbed from the best of them along the space's axes,
    and `recommend` chooses, with draws of its own, from all that sample and climb found. Every
    candidate meets every constraint of the space exactly.

    Args:
        beliefs: As in `recommend`.
        space: What may be built.
        n_sampled: Members to begin with [count].
        seed: The same seed, the same recommendation.
        baseline: As in `recommend`.
        objectives: As in `recommend`.
        limits: As in `recommend`.
        p_feasible: As in `recommend`; below it a candidate climbs towards the limits alone.
        on_round: Told after every round of the climb.
        **asked: All else that `recommend` takes.

    Raises:
        InvalidInputError: As `recommend`.
        EmptySpaceError: No member meets the constraints.
    """
    if n_sampled < 1:
        raise InvalidInputError(f"n_sampled must be at least 1, got {n_sampled}")
    if beliefs.loss is None:
        raise InvalidInputError("a recommendation needs a fitted loss law")
    sampled = space.sample(n_sampled, seed)
    wanted = parse_objectives(objectives, limits)
    score = _expected_utility(beliefs, wanted, sampled, baseline, p_feasible, seed + 1)
    climbed = improve(
        space,
        sampled,
        score,
        rounds=_ROUNDS,
        width=_CLIMBERS,
        neighbours=_NEIGHBOURS,
        seed=seed,
        on_round=on_round,
    )
    return recommend(
        beliefs,
        [*sampled, *climbed],
        baseline=baseline,
        objectives=objectives,
        limits=limits,
        p_feasible=p_feasible,
        seed=seed,
        **{"space": space, **asked},
    )


def _expected_utility(
    beliefs: Beliefs,
    wanted: Objectives,
    sampled: Sequence[Candidate],
    baseline: Candidate | None,
    p_feasible: float,
    seed: int,
) -> CandidateScore:
    """Return the climb's score: expected share of the sample's box."""

    def drawn(some: Sequence[Candidate]) -> tuple[np.ndarray, np.ndarray]:
        outcomes = draw_outcomes(
            beliefs, some, baseline=baseline, needed=wanted.names, n_draws=_N_DRAWS, seed=seed
        )
        return wanted.utilities(outcomes), keeps_limits(wanted.margins(outcomes))

    anchors = list(sampled[:_ANCHORS])
    box = reference_and_ideal(*drawn(sampled))

    def score(some: Sequence[Candidate]) -> np.ndarray:
        utilities, is_feasible = drawn([*some, *anchors])
        n = len(some)
        at_anchors = utilities[:, n:]
        shift = at_anchors - without_common_shift(at_anchors)
        share = box_share(utilities[:, :n] - shift[:, :1], is_feasible[:, :n], *box)
        often = is_feasible[:, :n].mean(axis=0)
        # Below any utility that a candidate likely to keep the limits has.
        return np.where(often >= p_feasible, share.mean(axis=0), often - _FAR)

    return score
