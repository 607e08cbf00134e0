"""Search a space that no pool can hold: sample members, then climb from the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Candidate, SearchSpace

CandidateScore = Callable[[Sequence[Candidate]], np.ndarray]
"""Scores a batch of candidates, ``(candidate,)``; more is better, -inf says never."""

# Steps start long and are halved where they no longer help, as in a pattern search
# (Hooke and Jeeves 1961, doi:10.1145/321062.321069).
FIRST_REACH = 16
STARTS_PER_CLIMBER = 32


@dataclass(frozen=True)
class SearchRound:
    """Say where a search stands.

    Attributes:
        n_rounds: Rounds done [count].
        n_evaluations: Candidates scored so far [count].
        n_climbing: Climbers that may still move [count].
        best_score: Of all scored so far.
    """

    n_rounds: int
    n_evaluations: int
    n_climbing: int
    best_score: float


@dataclass
class _Climber:
    """Stand at one member; the reach says how long its next steps are."""

    at: Candidate
    score: float
    reach: int = FIRST_REACH


@dataclass
class _Seen:
    """Remember every score, so that no candidate is scored twice."""

    score: CandidateScore
    scores: dict[Candidate, float] = field(default_factory=dict)

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Score candidates that are new."""
        if not candidates:
            return
        values = np.asarray(self.score(candidates), dtype=np.float64)
        if values.shape != (len(candidates),) or np.isnan(values).any():
            raise InvalidInputError(
                f"a score must give one number for each of {len(candidates)} candidates, none of "
                f"them NaN; got shape {values.shape} with {int(np.isnan(values).sum())} NaN"
            )
        self.scores.update(zip(candidates, values.tolist(), strict=True))

    def best(self, n: int) -> list[Candidate]:
        """Return the best, best first; equals in the order they were found."""
        return sorted(self.scores, key=lambda candidate: -self.scores[candidate])[:n]


def improve(
    space: SearchSpace,
    start: Sequence[Candidate],
    score: CandidateScore,
    *,
    rounds: int = 30,
    width: int = 16,
    neighbours: int = 24,
    max_evaluations: int = 20_000,
    seed: int = 0,
    on_round: Callable[[SearchRound], None] | None = None,
) -> list[Candidate]:
    """Climb from the best of a sample and return the best members found, best first.

    ``width`` climbers start at the best of ``start``. In every round each looks at its neighbours
    in the space and moves to the best of them if that is better; where none is, it takes steps half
    as long, and at a step of one value it rests. All climbers' neighbours are scored in one call,
    each candidate once. Every candidate returned meets every constraint, exactly.

    Args:
        space: Where to search.
        start: Members to start from, such as a planner's pool; empty for a sample of the space.
        score: More is better.
        rounds: Most rounds.
        width: Climbers, and candidates returned [count].
        neighbours: That each climber looks at in a round [count].
        max_evaluations: Candidates scored in all, ``start`` included [count].
        seed: The same inputs and seed, the same answer.
        on_round: Told after every round where the search stands.

    Raises:
        InvalidInputError: A number is below 1, the start alone exceeds ``max_evaluations``, a start
            is no member, or the score gives NaN or another shape.
        EmptySpaceError: No member meets the constraints.

    >>> axes = dict(n_layers={"min": 1, "max": 64, "step": 1}, vocab_size=257, n_tokens=10**6,
    ...             d_model={"min": 64, "max": 8192, "step": 64}, n_heads=4, n_kv_heads=[1, 2, 4],
    ...             head_dim=64, d_ff={"min": 64, "max": 32768, "step": 64})
    >>> space = SearchSpace(axes, ("n_params <= 1e9",))
    >>> largest = improve(space, [], lambda some: np.array([c.architecture.n_params for c in some]))
    >>> 0.999e9 < largest[0].architecture.n_params <= 1e9
    True
    """
    for name, value in (
        ("rounds", rounds), ("width", width), ("neighbours", neighbours),
        ("max_evaluations", max_evaluations),
    ):  # fmt: skip
        if value < 1:
            raise InvalidInputError(f"{name} must be at least 1, got {value}")
    start = list(dict.fromkeys(start)) or space.sample(STARTS_PER_CLIMBER * width, seed)
    if len(start) > max_evaluations:
        raise InvalidInputError(
            f"{len(start)} candidates to start from, but only {max_evaluations} may be scored; "
            f"raise max_evaluations or start from fewer"
        )
    seen = _Seen(score)
    seen.add(start)
    climbers = [_Climber(at, seen.scores[at]) for at in seen.best(width)]
    for climber in climbers:
        if wrong := space.violations(climber.at):
            raise InvalidInputError(f"cannot start from {climber.at}: {'; '.join(wrong)}")
    seeds = np.random.SeedSequence(seed)
    for n_rounds in range(1, rounds + 1):
        active = [climber for climber in climbers if climber.reach >= 1]
        room = max_evaluations - len(seen.scores)
        if not active or room <= 0:
            break
        looked_at = [
            space.neighbours(climber.at, neighbours, int(state), reach=climber.reach)
            for climber, state in zip(
                active, seeds.spawn(1)[0].generate_state(len(active)), strict=True
            )
        ]
        fresh = dict.fromkeys(c for some in looked_at for c in some if c not in seen.scores)
        seen.add(list(fresh)[:room])
        _move(active, looked_at, seen.scores)
        if on_round is not None:
            best = max(seen.scores.values())
            n_climbing = sum(climber.reach >= 1 for climber in climbers)
            on_round(SearchRound(n_rounds, len(seen.scores), n_climbing, best))
    return seen.best(width)


def _move(
    climbers: Sequence[_Climber],
    looked_at: Sequence[Sequence[Candidate]],
    scores: dict[Candidate, float],
) -> None:
    """Move each climber to its best neighbour; two never stand at one member."""
    taken = {climber.at for climber in climbers}
    for climber, some in zip(climbers, looked_at, strict=True):
        free = [c for c in some if c not in taken and c in scores]
        best = max(free, key=scores.__getitem__, default=climber.at)
        if scores[best] > climber.score:
            taken = (taken - {climber.at}) | {best}
            climber.at, climber.score = best, scores[best]
        else:
            climber.reach //= 2
