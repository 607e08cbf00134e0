"""Whether to let a run under way go on, from its loss so far and all that is believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run
from bayeslaw.search.acquisition import Goal, find_acquisition
from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.early_loss import early_loss
from bayeslaw.search.objectives import parse_objectives
from bayeslaw.search.pool import Asked, as_candidate, build_problem
from bayeslaw.search.stopping import LEAST_PROBABILITY, StopAdvice, should_stop
from bayeslaw.space import Candidate


def watch_run(
    beliefs: Beliefs,
    run: Run,
    n_tokens_seen: float,
    loss_nats: float,
    *,
    done: Sequence[Run],
    target_candidates: Sequence[Candidate],
    objectives: str | Sequence[str],
    limits: str | Sequence[str] = (),
    baseline: Candidate | None = None,
    goal: Goal = "choice",
    hours_left: float | None = None,
    tolerance: float = 0.0,
    least_probability: float = LEAST_PROBABILITY,
    seed: int = 0,
) -> StopAdvice:
    """Advise whether a run's remaining hours can still change the decision at the target.

    What its loss so far says of the final one is learnt from the curves of done runs (`early_loss`);
    what the final one says of the target, from the law's joint draws (`should_stop`). Other runs under
    way are not waited for: what they will say is left for this run to say too, so the advice errs
    towards going on.

    Args:
        beliefs: With a loss law; with a cost where ``hours_left`` is left out.
        run: Under way, with an architecture.
        n_tokens_seen: Tokens it has seen [count].
        loss_nats: Its loss there [nats per token].
        done: Done runs, with curves.
        target_candidates: What may be built at the target.
        objectives: As in `plan`.
        limits: As in `plan`.
        baseline: As in `plan`.
        goal: ``choice`` or ``front``; a mere ``error`` leaves no decision to change.
        hours_left: Until the run ends [GPU-hours]; its predicted median cost times the share of
            tokens left, where left out.
        tolerance: A change that gains no more does not count, a share of the box.
        least_probability: The run is stopped where P(decision changes) stays below.
        seed: The same seed, the same advice.

    Raises:
        NotEnoughRunsError: Too few done runs have a curve.
        InvalidInputError: A belief that is needed is missing, or something given makes no sense.
    """
    candidate = as_candidate(run)
    if candidate is None or beliefs.loss is None:
        raise InvalidInputError(
            f"advice on run {run.run_id!r} needs its architecture and a fitted loss law"
        )
    if goal == "error":
        raise InvalidInputError("goal 'error' has no decision that a run could change")
    early = early_loss(run, n_tokens_seen, loss_nats, done)
    if hours_left is None:
        if beliefs.cost is None:
            raise InvalidInputError("give hours_left, or beliefs with a cost to predict them from")
        hours_left = (1 - early.share) * float(beliefs.cost.predict([candidate])["p50"][0])
    asked = Asked(
        done=(),
        pending=(),
        objectives=parse_objectives(objectives, limits),
        baseline=baseline,
        target_candidates=tuple(dict.fromkeys(target_candidates)),
        goal=goal,
        n_draws=beliefs.loss.n_members,
        seed=seed,
    )
    way = find_acquisition("target_lookahead")
    only = CandidatePool.from_candidates([candidate])
    problem = build_problem(beliefs, only, asked, way, hours=None, p_success=None)
    assert problem.log_losses is not None and problem.noise_sd is not None
    aims = aims_of(problem)
    return should_stop(
        problem.log_losses[:, 0],
        aims.values,
        early,
        noise_sd=float(problem.noise_sd[0]),
        hours_left=hours_left,
        law=None if problem.law is None else np.asarray(problem.law),
        decisions=aims.decisions,
        tolerance=tolerance,
        least_probability=least_probability,
    )
