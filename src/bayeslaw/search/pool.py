"""From beliefs, candidates and runs to the problem an acquisition is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.runs import Run
from bayeslaw.search.acquisition import Problem
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.front import keeps_limits, reference_and_ideal
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import Outcomes, draw_outcomes
from bayeslaw.space import Candidate

FEATURES = (
    "n_params_body", "n_tokens", "aspect_ratio", "mlp_attention_ratio", "gqa_group", "head_dim",
)  # fmt: skip
"""Size, tokens and shape that runs should spread over, each as log2."""


def open_candidates(
    candidates: Sequence[Candidate], done: Sequence[Run], pending: Sequence[Run]
) -> list[Candidate]:
    """Return candidates that are neither done nor pending, each once, in the order given.

    Raises:
        InvalidInputError: There are no candidates, or none is left.
    """
    if not len(candidates):
        raise InvalidInputError("no candidates were given to choose runs from")
    known = {candidate for run in (*done, *pending) if (candidate := as_candidate(run))}
    left = [candidate for candidate in dict.fromkeys(candidates) if candidate not in known]
    if not left:
        raise InvalidInputError(
            f"all {len(candidates)} candidates are done or pending; sample others or widen the space"
        )
    return left


def as_candidate(run: Run) -> Candidate | None:
    """Return what a run trains, None where its shape is unknown."""
    return None if run.architecture is None else Candidate(run.architecture, run.n_tokens)


def build_problem(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    done: Sequence[Run],
    pending: Sequence[Run],
    objectives: Objectives | None,
    baseline: Candidate | None,
    *,
    target_candidates: Sequence[Candidate] = (),
    n_draws: int,
    seed: int,
) -> tuple[Problem, Outcomes]:
    """Draw what is believed about all rows: candidates, then done, then pending runs, then target.

    Done runs without a shape cannot be drawn; a pending one without a shape is an error. A run that
    failed or was stopped reached no loss, so it is no point of the front that others must extend.
    """
    reached = [as_candidate(run) for run in done if run.status == "done"]
    finished = [candidate for candidate in reached if candidate is not None]
    waiting = [as_candidate(run) for run in pending]
    if shapeless := [run.run_id for run in pending if run.architecture is None]:
        raise InvalidInputError(f"pending run(s) {shapeless} have no architecture to predict from")
    target = list(dict.fromkeys(target_candidates))
    rows = [*candidates, *finished, *(c for c in waiting if c is not None), *target]
    needed = objectives.names if objectives is not None else frozenset()
    outcomes = draw_outcomes(
        beliefs, rows, baseline=baseline, needed=needed, n_draws=n_draws, seed=seed
    )
    utilities = margins = reference = ideal = None
    if objectives is not None:
        utilities, margins = objectives.utilities(outcomes), objectives.margins(outcomes)
        runs = slice(0, len(rows) - len(target))
        reference, ideal = reference_and_ideal(utilities[:, runs], keeps_limits(margins[:, runs]))
    problem = Problem(
        n_candidates=len(candidates),
        n_done=len(finished),
        n_pending=len(waiting),
        features=_features(rows),
        feature_names=FEATURES,
        utilities=utilities,
        margins=margins,
        reference_point=reference,
        ideal_point=ideal,
        seed=seed,
        n_target=len(target),
        log_losses=np.log(outcomes.values["loss_nats"]) if beliefs.loss is not None else None,
        noise_sd=_noise_sd(beliefs),
    )
    return problem, outcomes


def _noise_sd(beliefs: Beliefs) -> float:
    if beliefs.loss is None:
        return 0.0
    mean_variance = float(beliefs.loss.weights @ beliefs.loss.sigma**2)
    return (mean_variance * STUDENT_T_DOF / (STUDENT_T_DOF - 2)) ** 0.5


def _features(rows: Sequence[Candidate]) -> np.ndarray:
    values = [
        [float(getattr(row if name == "n_tokens" else row.architecture, name)) for name in FEATURES]
        for row in rows
    ]
    return np.log2(np.array(values))
