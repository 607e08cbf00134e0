"""Where beliefs are wired: runs and measurements in, suggestions and a recommendation out.

Everything here is a pure function of a study's config, its runs and its measurements. JAX and
torch come in here and nowhere below `study`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import CostModel, fit_cost
from bayeslaw.models.latency import LatencySurrogate, fit_latency
from bayeslaw.models.loss import LAWS, Posterior, fit_law, weights_by_evidence
from bayeslaw.models.recipes import RECIPES
from bayeslaw.runs import Measurement, Run, RunTable
from bayeslaw.search import (
    ACQUISITIONS,
    Beliefs,
    PredictiveEnsemble,
    Recommendation,
    Suggestion,
    parse_objectives,
    plan,
    plan_in_space,
    recommend_in_space,
)
from bayeslaw.search.viability import fit_viability
from bayeslaw.space import Candidate
from bayeslaw.study.config import StudyConfig

FitMethod = Literal["map", "laplace", "nuts"]


def check_names(config: StudyConfig) -> None:
    """Refuse a name that nothing answers to now, and not after hours of training.

    Raises:
        InvalidInputError: No such law, recipe, acquisition, or quantity in an objective or limit.
    """
    for what, names, known in (
        ("plan.laws", config.plan.laws, LAWS),
        ("plan.acquisition", [config.plan.acquisition], ACQUISITIONS),
        ("train.recipe", [config.train.recipe], RECIPES),
    ):
        if unknown := [name for name in names if name not in known]:
            raise InvalidInputError(f"{what}: {unknown} unknown; known are {sorted(known)}")
    if not config.plan.laws:
        raise InvalidInputError(f"plan.laws is empty; name at least one of {sorted(LAWS)}")
    parse_objectives(config.decision.objectives, _limits(config))


def fit_posteriors(
    config: StudyConfig, runs: Iterable[Run], method: FitMethod = "laplace"
) -> list[Posterior]:
    """Fit every law of the study to the runs that are evidence."""
    table = RunTable.from_runs(runs, source=config.name)
    return [
        fit_law(LAWS[name], table, method=method, seed=config.seed) for name in config.plan.laws
    ]


def form_beliefs(
    config: StudyConfig,
    posteriors: Sequence[Posterior],
    runs: Iterable[Run],
    measurements: Sequence[Measurement],
    *,
    n_members: int = 512,
) -> Beliefs:
    """Put loss, latency and cost into one bundle; laws weigh by how they foresaw the runs.

    Args:
        config: Of the study.
        posteriors: One a law.
        runs: What costs are learnt from.
        measurements: What latency is learnt from; those of another workload are left out, and
            those that ran out of memory, which have no latency.
        n_members: Draws of the losses, a thousand for a decision and fewer for a plan [count].
    """
    serving = config.serving
    served = [m for m in measurements if m.workload == serving and m.is_feasible]
    latency = fit_latency(served, seed=config.seed) if served else None
    cost = fit_cost(list(runs), seq_len=config.train.seq_len)
    return believe(config, posteriors, latency, cost, n_members=n_members)


def believe(
    config: StudyConfig,
    posteriors: Sequence[Posterior],
    latency: LatencySurrogate | None,
    cost: CostModel | None,
    *,
    n_members: int = 512,
) -> Beliefs:
    """Put what is known into one bundle; laws weigh by how they foresaw the runs."""
    loss = None
    if posteriors:
        weights = weights_by_evidence(posteriors).tolist()
        loss = PredictiveEnsemble.from_beliefs(
            posteriors, weights, n_members=n_members, seed=config.seed
        )
    return Beliefs(loss=loss, latency=latency, workload=config.serving, cost=cost)


def first_candidates(config: StudyConfig, n_runs: int) -> list[Candidate]:
    """Choose the first set of runs: spread over size, tokens and shape."""
    pool = config.training_space.sample(config.plan.pool, seed=config.seed)
    return spread(pool, n_runs, seed=config.seed)


def measured_candidates(config: StudyConfig) -> list[Candidate]:
    """Choose the architectures to time: the baseline, the target's scale, and the runs' scale."""
    n_target = (2 * config.plan.measured) // 3
    target = config.target_space.sample(config.plan.pool, seed=config.seed)
    small = config.training_space.sample(config.plan.pool, seed=config.seed)
    chosen = [
        config.decision.baseline_candidate,
        *spread(target, n_target - 1, seed=config.seed),
        *spread(small, config.plan.measured - n_target, seed=config.seed),
    ]
    distinct = {candidate.architecture: candidate for candidate in chosen}
    return list(distinct.values())


def spread(pool: Sequence[Candidate], n_candidates: int, seed: int) -> list[Candidate]:
    """Choose members of a pool that are far from each other in size, tokens and shape."""
    suggestions = plan(Beliefs(), pool, q=n_candidates, seed=seed, acquisition="space_filling")
    return [suggestion.candidate for suggestion in suggestions]


def suggest_runs(
    config: StudyConfig,
    beliefs: Beliefs,
    runs: Sequence[Run],
    *,
    q: int,
    budget_gpu_hours: float,
    round_number: int,
    max_gpu_hours: float | None = None,
) -> list[Suggestion]:
    """Choose the next runs out of the space; never one that is done, failed, stopped or pending."""
    decision, target = config.decision, []
    if ACQUISITIONS[config.plan.acquisition].needs_target:
        target = config.target_space.sample(config.plan.pool, seed=config.seed)
    known = [run for run in runs if run.architecture is not None]
    return plan_in_space(
        beliefs,
        config.training_space,
        n_sampled=config.plan.pool,
        done=[run for run in known if run.is_ended and run.status != "abandoned"],
        pending=[run for run in known if not run.is_ended],
        q=q,
        budget_gpu_hours=budget_gpu_hours,
        max_gpu_hours=config.plan.max_gpu_hours if max_gpu_hours is None else max_gpu_hours,
        max_runs=q * max(1, 1 + config.plan.rounds - round_number),
        seed=config.seed + round_number,
        acquisition=config.plan.acquisition,
        objectives=decision.objectives,
        limits=_limits(config),
        baseline=decision.baseline_candidate,
        target_candidates=target,
        goal=config.plan.goal,
        viability=fit_viability(runs),
    )


def recommend_architecture(
    config: StudyConfig,
    beliefs: Beliefs,
    runs: Sequence[Run] = (),
    *,
    budget_gpu_hours: float | None = None,
) -> Recommendation:
    """Choose the architecture for the target, and the run that would decide where it is open.

    Args:
        config: Of the study.
        beliefs: About a thousand members of the losses.
        runs: Done and pending.
        budget_gpu_hours: What is left for a deciding run; none is looked for without it.
    """
    decision = config.decision
    known = [run for run in runs if run.architecture is not None]
    may_run = budget_gpu_hours is not None and budget_gpu_hours > 0
    return recommend_in_space(
        beliefs,
        config.target_space,
        n_sampled=config.plan.pool,
        baseline=decision.baseline_candidate,
        objectives=decision.objectives,
        limits=_limits(config),
        seed=config.seed,
        runs=config.training_space.sample(config.plan.pool, seed=config.seed) if may_run else (),
        done=[run for run in known if run.is_ended and run.status != "abandoned"],
        pending=[run for run in known if not run.is_ended],
        budget_gpu_hours=budget_gpu_hours if may_run else None,
    )


def _limits(config: StudyConfig) -> tuple[str, ...]:
    return tuple(limit.text for limit in config.decision.limit_expressions)
