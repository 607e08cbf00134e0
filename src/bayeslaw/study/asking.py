"""What can be asked of beliefs as they are: objectives that may be missing, targets of a caller's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bayeslaw.errors import BayeslawError, InvalidInputError
from bayeslaw.models.costs import CostModel, fit_cost
from bayeslaw.models.latency import LatencySurrogate, fit_latency
from bayeslaw.models.notes import Note
from bayeslaw.search import (
    Beliefs,
    Recommendation,
    parse_objectives,
    recommend_in_space,
)
from bayeslaw.space import SearchSpace
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.evidence import Evidence, served

_OF_LATENCY = frozenset({"ttft_ms", "tpot_ms", "e2e_ms", "throughput_tokens_per_s"})
# Costs are learnt from this many of the latest runs: more say nothing new.
_COSTS_FROM = 2000


def learn_latency(
    config: StudyConfig, evidence: Evidence
) -> tuple[LatencySurrogate | None, tuple[Note, ...]]:
    """Fit the latency of the device that serves, or say why that cannot be done."""
    timed = served(config, evidence.measurements)
    if not timed:
        what = "no architecture was timed"
        if evidence.measurements:
            what = f"none of {len(evidence.measurements)} timings is of the study's workload"
        return None, (
            Note("latency_not_measured", "warning", f"{what}; time those of the plan's `measure`"),
        )
    try:
        return fit_latency(timed, seed=config.seed), ()
    except BayeslawError as error:
        return None, (Note("latency_not_fitted", "warning", f"latency is not known: {error}"),)


def learn_cost(
    config: StudyConfig, evidence: Evidence
) -> tuple[CostModel | None, tuple[Note, ...]]:
    """Fit what runs cost, or say what follows from not knowing it."""
    try:
        latest = evidence.learnt_from[-_COSTS_FROM:]
        return fit_cost(latest, seq_len=config.train.seq_len), ()
    except InvalidInputError as error:
        note = Note(
            "costs_unknown",
            "warning" if evidence.losses else "info",
            f"{error}. Until then no run is weighed by its cost, and neither the budget nor "
            f"max_gpu_hours keeps a dear one out",
        )
        return None, (note,)


def as_can_be_asked(config: StudyConfig, beliefs: Beliefs) -> tuple[StudyConfig, tuple[Note, ...]]:
    """Return the study without the objectives and limits that nothing is known of yet.

    Runs teach about losses, so they go on while no latency is known; a recommendation does not.
    """
    decision = config.decision
    wanted = parse_objectives(
        decision.objectives, [limit.text for limit in decision.limit_expressions]
    )
    if beliefs.latency is not None or not _mention_latency(wanted.names):
        return config, ()
    kept = tuple(e.text for e in wanted.wanted if not _mention_latency(e.names))
    limits = tuple(e.text for e in wanted.limits if not _mention_latency(e.names))
    dropped = [e.text for e in (*wanted.wanted, *wanted.limits) if e.text not in (*kept, *limits)]
    target = config.target.model_copy(
        update={"objectives": kept or ("-loss_nats",), "limits": limits}
    )
    note = Note(
        "planned_without_latency",
        "warning",
        f"{', '.join(dropped)} cannot be predicted yet, so runs are chosen for "
        f"{', '.join(target.objectives)}; add measurements of the plan's `measure`",
    )
    return config.model_copy(update={"target": target}), (note,)


def needs_latency(config: StudyConfig, asked: Mapping[str, Any]) -> bool:
    """Return whether a recommendation asked for so cannot do without a latency."""
    objectives = asked.get("objectives") or config.target.objectives
    own = [limit.text for limit in config.decision.limit_expressions]
    limits = asked.get("limits") or own
    return _mention_latency(parse_objectives(tuple(objectives), tuple(limits)).names)


def recommend_for(
    config: StudyConfig,
    beliefs: Beliefs,
    evidence: Evidence,
    asked: Mapping[str, Any],
) -> Recommendation:
    """Choose an architecture for the study's target, or for what a caller asks instead.

    Args:
        config: Of the study.
        beliefs: About a thousand members of the losses.
        evidence: All that is known now; with budget left, a run that would decide is looked for.
        asked: ``n_params``, ``n_tokens``, ``limits`` and ``objectives``, each the study's own
            where it is left out or empty. Other limits or objectives replace all of the study's.

    Raises:
        InvalidInputError: Something asked makes no sense, a belief it needs is missing, or a limit
            names the study's baseline at a size that it does not have.
    """
    own = config.decision
    given = {name: value for name, value in asked.items() if value}
    if unknown := sorted(set(given) - {"n_params", "n_tokens", "limits", "objectives"}):
        raise InvalidInputError(
            f"a recommendation may be asked for other n_params, n_tokens, limits and objectives, "
            f"got {unknown}"
        )
    n_params = int(given.get("n_params", own.n_params))
    n_tokens = int(given.get("n_tokens", own.n_tokens))
    objectives = tuple(given.get("objectives", own.objectives))
    limits = tuple(given.get("limits", [limit.text for limit in own.limit_expressions]))
    low, high = (n_params * (1 + sign * own.tolerance) for sign in (-1, 1))
    has_baseline = low <= own.baseline.n_params <= high
    names = parse_objectives(objectives, limits).names
    if not has_baseline and any(name.startswith("baseline.") for name in names):
        raise InvalidInputError(
            f"the study's baseline has {own.baseline.n_params} weights and {n_params} were asked "
            f"for, so a limit cannot name it; give limits in numbers (limit=tpot_ms <= 5)"
        )
    if has_baseline:
        target = replace(own, n_params=n_params, n_tokens=n_tokens)
        space, baseline = target.candidates(config.full_space), target.baseline_candidate
    else:
        space, baseline = _members(config, n_tokens, low, high), None
    left = config.plan.budget_gpu_hours - evidence.spent_gpu_hours
    may_run = left > 0 and beliefs.cost is not None
    return recommend_in_space(
        beliefs,
        space,
        n_sampled=config.plan.pool,
        baseline=baseline,
        objectives=objectives,
        limits=limits,
        seed=config.seed,
        runs=config.training_space.sample(config.plan.pool, seed=config.seed) if may_run else (),
        done=[run for run in evidence.ended if run.architecture is not None],
        pending=[run for run in evidence.pending if run.architecture is not None],
        budget_gpu_hours=left if may_run else None,
    )


def _members(config: StudyConfig, n_tokens: int, low: float, high: float) -> SearchSpace:
    space = config.full_space.with_axes(n_tokens=n_tokens)
    return space.where(f"{low!r} <= n_params <= {high!r}")


def _mention_latency(names: frozenset[str]) -> bool:
    return any(name.removeprefix("baseline.") in _OF_LATENCY for name in names)
