"""From beliefs, candidates and runs to the problem an acquisition is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.runs import Run, candidate_columns
from bayeslaw.search.acquisition import Acquisition, Aims, Goal, Problem
from bayeslaw.search.acquisition.aims import decision_aims
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.ensemble import PredictiveEnsemble
from bayeslaw.search.front import keeps_limits, reference_and_ideal
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import Outcomes, draw_outcomes
from bayeslaw.space import Candidate

FEATURES = (
    "n_params_body", "n_tokens", "aspect_ratio", "mlp_attention_ratio", "gqa_group", "head_dim",
)  # fmt: skip
"""Size, tokens and shape that runs should spread over, each as log2."""


@dataclass(frozen=True)
class Asked:
    """Hold what a plan is asked for, beside beliefs and candidates.

    Attributes:
        done: Ended runs.
        pending: Runs under way.
        objectives: What is wanted and what must hold; None where no belief is asked.
        baseline: What ``baseline.`` names.
        target_candidates: What may be built at the target, each once.
        goal: What the runs are for.
        n_draws: Joint draws [count].
        seed: Of the draws.
    """

    done: tuple[Run, ...]
    pending: tuple[Run, ...]
    objectives: Objectives | None
    baseline: Candidate | None
    target_candidates: tuple[Candidate, ...]
    goal: Goal
    n_draws: int
    seed: int

    @property
    def finished(self) -> list[Candidate]:
        """What reached a loss; one that failed or was stopped is no point that others must extend."""
        return [c for run in self.done if run.status == "done" and (c := as_candidate(run))]

    @property
    def waiting(self) -> list[Candidate]:
        """What is under way."""
        return [candidate for run in self.pending if (candidate := as_candidate(run))]


def as_candidate(run: Run) -> Candidate | None:
    """Return what a run trains, None where its shape is unknown."""
    return None if run.architecture is None else Candidate(run.architecture, run.n_tokens)


def open_pool(
    candidates: Sequence[Candidate] | CandidatePool, done: Sequence[Run], pending: Sequence[Run]
) -> CandidatePool:
    """Return candidates that are neither done nor pending, each once, in the order given.

    Raises:
        InvalidInputError: There are no candidates, or none is left, or a pending run has no shape.
    """
    if shapeless := [run.run_id for run in pending if run.architecture is None]:
        raise InvalidInputError(f"pending run(s) {shapeless} have no architecture to predict from")
    pool = candidates
    if not isinstance(pool, CandidatePool):
        pool = CandidatePool.from_candidates(pool)
    known = {candidate for run in (*done, *pending) if (candidate := as_candidate(run))}
    left = pool.without(list(known))
    if not len(left):
        raise InvalidInputError(
            f"all {len(pool)} candidates are done or pending; sample others or widen the space"
        )
    return left


def build_problem(
    beliefs: Beliefs,
    pool: CandidatePool,
    asked: Asked,
    way: Acquisition,
    *,
    hours: np.ndarray | None,
    p_success: np.ndarray | None,
) -> Problem:
    """Draw what the acquisition needs of all rows: candidates, done, pending runs, target.

    Utilities of every candidate at its own scale, latencies among them, are worked out only for an
    acquisition that asks for them.
    """
    target = list(asked.target_candidates) if way.needs_target else []
    others = [*asked.finished, *asked.waiting, *target]
    columns = dict(pool.columns)
    if others:
        more = candidate_columns(others)
        columns = {name: np.concatenate([columns[name], more[name]]) for name in columns}
    utilities = margins = reference = ideal = log_losses = law = None
    at_target: tuple[Any, ...] = (None, None, None)
    if way.needs_beliefs and beliefs.loss is not None:
        members = loss_members(beliefs, asked)
        log_losses = np.log(beliefs.loss.losses(columns)[members])
        law = beliefs.loss.law[members]
    if asked.objectives is not None and way.needs_front:
        rows = [*(pool[row] for row in range(len(pool))), *others]
        drawn = _drawn(beliefs, rows, asked)
        utilities, margins = asked.objectives.utilities(drawn), asked.objectives.margins(drawn)
        runs = slice(0, len(rows) - len(target))
        reference, ideal = reference_and_ideal(utilities[:, runs], keeps_limits(margins[:, runs]))
    if asked.objectives is not None and target and asked.goal != "error":
        at_target = target_values(beliefs, asked)
    return Problem(
        n_candidates=len(pool),
        n_done=len(asked.finished),
        n_pending=len(asked.waiting),
        n_target=len(target),
        features=np.log2(np.stack([columns[name] for name in FEATURES], axis=1)),
        feature_names=FEATURES,
        seed=asked.seed,
        hours=hours,
        p_success=p_success,
        log_losses=log_losses,
        law=law,
        noise_sd=None if beliefs.loss is None else noise_sd(beliefs.loss, columns),
        utilities=utilities,
        margins=margins,
        reference_point=reference,
        ideal_point=ideal,
        target_utilities=at_target[0],
        target_margins=at_target[1],
        aims=at_target[2],
        goal=asked.goal,
        done_log_losses=np.log([run.loss_nats or np.nan for run in asked.done if _reached(run)]),
    )


def loss_members(beliefs: Beliefs, asked: Asked) -> np.ndarray:
    """Return the loss members of the draws, those that `draw_outcomes` takes for the same seed."""
    assert beliefs.loss is not None
    first = int(np.random.SeedSequence(asked.seed).generate_state(1)[0])
    return beliefs.loss.members(asked.n_draws, first)


def noise_sd(loss: PredictiveEnsemble, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the standard deviation of a new run's log loss around the curve ``(row,)``."""
    variance = loss.weights @ loss.noise_scale(columns) ** 2
    return np.sqrt(variance * STUDENT_T_DOF / (STUDENT_T_DOF - 2))


def target_values(beliefs: Beliefs, asked: Asked) -> tuple[np.ndarray, np.ndarray, Aims]:
    """Return the target's utilities, margins and aims, worked out once for some beliefs.

    A scheduler that asks again before a result came in is answered from the same draws.
    """
    assert asked.objectives is not None
    objectives = asked.objectives
    texts = tuple(e.text for e in (*objectives.wanted, *objectives.limits))
    key = (texts, asked.baseline, asked.target_candidates, asked.goal, asked.n_draws, asked.seed)
    known = _TARGETS.setdefault(beliefs, {})
    if key not in known:
        known.clear()
        drawn = _drawn(beliefs, asked.target_candidates, asked)
        utilities, margins = objectives.utilities(drawn), objectives.margins(drawn)
        known[key] = (utilities, margins, decision_aims(utilities, margins, asked.goal))
    return known[key]


_Known = dict[tuple[object, ...], tuple[np.ndarray, np.ndarray, Aims]]
_TARGETS: WeakKeyDictionary[Beliefs, _Known] = WeakKeyDictionary()


def _drawn(beliefs: Beliefs, candidates: Sequence[Candidate], asked: Asked) -> Outcomes:
    assert asked.objectives is not None
    return draw_outcomes(
        beliefs,
        candidates,
        baseline=asked.baseline,
        needed=asked.objectives.names,
        n_draws=asked.n_draws,
        seed=asked.seed,
    )


def _reached(run: Run) -> bool:
    return run.status == "done" and run.architecture is not None
