"""What a study should run next, at any moment: a pure function of its config, evidence and beliefs.

A round of `bayeslaw.study.loop` waits for all its runs; a service is asked while some are under way.
Here the answer follows from what is known now, whatever the order in which it came to be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bayeslaw.models.loss.fit import MIN_RUNS
from bayeslaw.models.notes import Note
from bayeslaw.runs import Measurement, Run
from bayeslaw.search import ACQUISITIONS, Beliefs, Suggestion, plan_in_space
from bayeslaw.search.planner import plan as plan_of
from bayeslaw.search.viability import fit_viability
from bayeslaw.space import Architecture, Candidate
from bayeslaw.study.asking import as_can_be_asked
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.evidence import Evidence, Reason, first_runs_wanted, may_learn
from bayeslaw.study.planning import measured_candidates

# What looks at every run so far is slow with many; it looks at this many of the latest.
_LOOKS_BACK = 2000
# Several times as many first runs failed as were wanted, and none gave a loss: not bad luck.
_HOPELESS = 3

# How often another sample is taken until as many runs as a sample has members were handed out.
_SAMPLES_A_POOL = 4

_Affordable = Mapping[str, Any]


@dataclass(frozen=True)
class Advice:
    """Say what to run next, or why nothing.

    Attributes:
        suggestions: The best first.
        purpose: ``initial`` for the space-filling first set, else ``suggested``.
        round_number: Of the runs suggested; 0 for the first set.
        notes: What the advice lacks or rests on.
        exhausted: Why there will be nothing any more, unless something is changed.
        waiting: Why there is nothing at present.
        is_blind: Whether no cost is known, so that nothing is held against a limit in hours.
    """

    suggestions: tuple[Suggestion, ...] = ()
    purpose: Literal["initial", "suggested"] = "suggested"
    round_number: int = 0
    notes: tuple[Note, ...] = ()
    exhausted: Reason | None = None
    waiting: Reason | None = None
    is_blind: bool = False


def advise(
    config: StudyConfig,
    evidence: Evidence,
    beliefs: Beliefs,
    *,
    n_runs: int,
    max_gpu_hours: float | None = None,
) -> Advice:
    """Choose the next runs: never one that is done, failed or pending.

    While nothing can be fitted these are the study's first runs, spread over the space. Then the
    config's acquisition chooses, with pending runs taken as under way; one that asks for no law
    chooses from the beginning.

    Args:
        config: Of the study.
        evidence: All that is known now.
        beliefs: Loss (None before a fit), latency and cost (each None while unknown).
        n_runs: How many are wanted [count].
        max_gpu_hours: What any one of them may take [h]; the config's when left out.

    Raises:
        BayeslawError: The config or the data do not allow a plan; the message says what to do.
    """
    limit = config.plan.max_gpu_hours if max_gpu_hours is None else max_gpu_hours
    advice = _advise(config, evidence, beliefs, n_runs, limit)
    return replace(advice, is_blind=beliefs.cost is None)


def _advise(
    config: StudyConfig, evidence: Evidence, beliefs: Beliefs, n_runs: int, limit: float | None
) -> Advice:
    left = config.plan.budget_gpu_hours - evidence.spent_gpu_hours
    if left <= 0:
        return Advice(exhausted=_spent(config, evidence))
    committed = _committed(evidence, beliefs)
    if (left := left - committed) <= 0:
        return Advice(waiting=_all_committed(evidence, committed))
    # Without a cost model there is nothing to hold against a budget; `learn_cost` says so.
    affordable = {} if beliefs.cost is None else {"budget_gpu_hours": left, "max_gpu_hours": limit}
    plan = config.plan
    by_law = needs_a_law(config)
    n_handed_out = evidence.n_of("suggested")
    n_left = plan.rounds * plan.runs_per_round - n_handed_out
    if not by_law and not (plan.acquisition == "cheapest" and beliefs.cost is None):
        # A design, or chance, is followed from its beginning and needs no first set.
        n_left += plan.initial_runs - evidence.n_of("initial")
    elif n_first := first_runs_wanted(config, evidence):
        return _first(config, evidence, beliefs, min(n_first, n_runs), affordable)
    elif beliefs.loss is None or not may_learn(config, evidence):
        return Advice(waiting=_waits(config, evidence))
    if n_left <= 0:
        return Advice(exhausted=_rounds_done(config))
    n_runs = min(n_runs, n_left)
    round_number = 1 + n_handed_out // plan.runs_per_round
    notes: tuple[Note, ...] = ()
    if by_law:
        asked, notes = as_can_be_asked(config, beliefs)
        # The same seed as long as may be: what was drawn of the target then stands, and plans are
        # compared on the same draws. Another sample follows once much of this one was run.
        seed = config.seed + 1 + n_handed_out * _SAMPLES_A_POOL // plan.pool
        found = _by_law(asked, evidence, beliefs, n_runs, n_left, seed, affordable)
    else:
        n_sampled, seed = max(plan.pool, 2 * n_runs), config.seed + len(evidence.runs)
        found = _spread(config, evidence, beliefs, n_runs, n_sampled, seed, affordable)
    if not found:
        return Advice(notes=notes, exhausted=_nothing(evidence, found, affordable))
    return Advice(tuple(found), "suggested", round_number, notes)


def needs_a_law(config: StudyConfig) -> bool:
    """Return whether runs are chosen by a fitted law."""
    return ACQUISITIONS[config.plan.acquisition].needs_beliefs


def to_measure(config: StudyConfig, measurements: Iterable[Measurement]) -> list[Architecture]:
    """Return the architectures whose latency is worth timing and was not timed yet."""
    serving = config.serving
    timed = {m.architecture for m in measurements if m.workload == serving}
    return [c.architecture for c in measured_candidates(config) if c.architecture not in timed]


def _first(
    config: StudyConfig, evidence: Evidence, beliefs: Beliefs, n_runs: int, affordable: _Affordable
) -> Advice:
    """Choose what is missing of the first set, far from what is done and pending."""
    failed = [run for run in evidence.runs if run.status == "failed"]
    if not evidence.losses and len(failed) >= _HOPELESS * config.plan.initial_runs:
        return Advice(exhausted=_all_fail(failed))
    first = config.model_copy(
        update={"plan": config.plan.model_copy(update={"acquisition": "space_filling"})}
    )
    n_sampled, seed = config.plan.pool, config.seed
    found = _spread(first, evidence, beliefs, n_runs, n_sampled, seed, affordable)
    if not found:
        return Advice(exhausted=_nothing(evidence, found, affordable))
    return Advice(tuple(found), "initial")


def _spread(
    config: StudyConfig, evidence: Evidence, beliefs: Beliefs, n_runs: int,
    n_sampled: int, seed: int, affordable: _Affordable,
) -> list[Suggestion] | None:  # fmt: skip
    """Choose by an acquisition that asks for no law; None where the sample has nothing new."""
    pool = _unknown(config.training_space.sample(n_sampled, seed=seed), evidence.runs)
    if not pool:
        return None
    return plan_of(
        Beliefs(cost=beliefs.cost), pool, q=n_runs, seed=seed, acquisition=config.plan.acquisition,
        done=_shaped(evidence.ended)[-_LOOKS_BACK:],
        pending=_shaped(evidence.pending)[-_LOOKS_BACK:],
        **affordable,
    )  # fmt: skip


def _by_law(
    config: StudyConfig, evidence: Evidence, beliefs: Beliefs, n_runs: int,
    n_left: int, seed: int, affordable: _Affordable,
) -> list[Suggestion] | None:  # fmt: skip
    """Choose by what a law says; None where the sample has nothing new."""
    way, decision = ACQUISITIONS[config.plan.acquisition], config.decision
    n_sampled = config.plan.pool
    if not _unknown(config.training_space.sample(n_sampled, seed), evidence.runs):
        return None
    target = config.target_space.sample(n_sampled, seed=config.seed) if way.needs_target else []
    return plan_in_space(
        beliefs, config.training_space, n_sampled=n_sampled, q=n_runs, seed=seed,
        acquisition=way.name, done=_shaped(evidence.ended), pending=_shaped(evidence.pending),
        max_runs=n_left, objectives=decision.objectives,
        limits=[limit.text for limit in decision.limit_expressions],
        baseline=decision.baseline_candidate, target_candidates=target, goal=config.plan.goal,
        viability=fit_viability(evidence.runs), **affordable,
    )  # fmt: skip


def _unknown(pool: Sequence[Candidate], runs: Sequence[Run]) -> list[Candidate]:
    known = {
        Candidate(run.architecture, run.n_tokens)
        for run in runs
        if run.architecture is not None and run.status != "abandoned"
    }
    return [candidate for candidate in pool if candidate not in known]


def _shaped(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.architecture is not None]


def _committed(evidence: Evidence, beliefs: Beliefs) -> float:
    """Return what the runs under way are going to cost [h]; 0 for those nobody can tell."""
    told = sum(run.cost_gpu_hours or 0.0 for run in evidence.pending)
    untold = [
        Candidate(run.architecture, run.n_tokens)
        for run in evidence.pending
        if run.architecture is not None and not run.cost_gpu_hours
    ]
    if beliefs.cost is None or not untold:
        return told
    return told + float(beliefs.cost.predict(untold)["p50"].sum())


def _spent(config: StudyConfig, evidence: Evidence) -> Reason:
    return Reason(
        "budget-spent",
        f"{evidence.spent_gpu_hours:.4g} of {config.plan.budget_gpu_hours:g} device-hours are spent",
        "begin another study with a larger plan.budget_gpu_hours and import these runs",
    )


def _all_committed(evidence: Evidence, committed: float) -> Reason:
    return Reason(
        "budget-committed",
        f"what is left of the budget is needed for {len(evidence.pending)} runs under way "
        f"(about {committed:.3g} device-hours)",
    )


def _rounds_done(config: StudyConfig) -> Reason:
    plan = config.plan
    return Reason(
        "rounds-done",
        f"{plan.rounds} rounds of {plan.runs_per_round} runs were handed out after the first set",
        "ask for a recommendation, or begin another study with more plan.rounds and import these runs",
    )


def _waits(config: StudyConfig, evidence: Evidence) -> Reason:
    n_done, n_first = len(evidence.losses), config.plan.initial_runs
    if may_learn(config, evidence):
        return Reason("waiting-for-fit", f"{n_done} runs are done and the first fit is under way")
    return Reason(
        "waiting-for-results",
        f"{n_done} of {n_first} first runs are done and {len(evidence.pending)} under way; the law "
        f"is asked once half of them are done, all handed out, and at least {MIN_RUNS} done",
    )


def _all_fail(failed: Sequence[Run]) -> Reason:
    return Reason(
        "all-runs-fail",
        f"{len(failed)} runs failed and none was done; {failed[-1].run_id!r}: {failed[-1].reason}",
        "find out why, then add a run that is done",
    )


def _nothing(
    evidence: Evidence, found: Sequence[Suggestion] | None, affordable: _Affordable
) -> Reason:
    """Say why a plan came out empty."""
    if found is None:
        return Reason(
            "space-exhausted",
            f"all members looked at are done or under way ({len(evidence.runs)} runs)",
            "widen the space, in another study that imports these runs",
        )
    bounds = ", ".join(f"{name} {hours:.3g}" for name, hours in affordable.items() if hours)
    return Reason(
        "nothing-affordable",
        f"no run is cheap enough (what is left: {bounds})",
        "ask with a larger max_gpu_hours, or end here: ask for a recommendation",
    )
