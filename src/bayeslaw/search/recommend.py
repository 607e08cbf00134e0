"""Which architecture to build at the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note
from bayeslaw.runs import Run
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.outcomes import Outcomes, draw_outcomes
from bayeslaw.search.planner import OBJECTIVES
from bayeslaw.search.recommendation.credible_set import credible_set
from bayeslaw.search.recommendation.deciding import deciding_run
from bayeslaw.search.recommendation.drivers import drivers
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.forecasting import Margins, forecast_all
from bayeslaw.search.recommendation.heuristics import Heuristic, usual_shapes, with_other_gqa
from bayeslaw.search.recommendation.judge import Judgement, judge
from bayeslaw.search.recommendation.listing import enough_draws
from bayeslaw.search.recommendation.notes import (
    baseline_notes,
    distance_notes,
    limit_notes,
    rival_notes,
)
from bayeslaw.search.recommendation.recommendation import Recommendation
from bayeslaw.search.trust import trusted
from bayeslaw.space import Candidate, SearchSpace

P_FEASIBLE = 0.8
"""Least probability to keep all limits, unless told otherwise."""


def recommend(
    beliefs: Beliefs,
    target_candidates: Sequence[Candidate],
    *,
    baseline: Candidate | None = None,
    objectives: str | Sequence[str] = OBJECTIVES,
    limits: str | Sequence[str] = (),
    seed: int = 0,
    p_feasible: float = P_FEASIBLE,
    p_front: float = 0.05,
    n_draws: int | None = None,
    beat_loss_nats: float = 0.0,
    beat_latency_share: float = 0.0,
    space: SearchSpace | None = None,
    runs: Sequence[Candidate] = (),
    done: Sequence[Run] = (),
    pending: Sequence[Run] = (),
    budget_gpu_hours: float | None = None,
) -> Recommendation:
    """Recommend the candidate with the highest expected utility among those that likely keep all limits.

    The utility of a candidate in one draw is the share of the box between reference and ideal
    point that it dominates alone (zero where it breaks a limit): with two objectives it asks for
    a balance of both, with one it is that objective. So "the best latency at a loss of at most
    2.8" is ``objectives="-tpot_ms", limits="loss_nats <= 2.8"``, and "the best loss at 0.95 times
    the baseline's latency" is ``objectives="-loss_nats", limits="tpot_ms <= 0.95 * baseline"``.
    Expected regret is the mean over draws of the best utility of that draw less the candidate's.
    The candidate is chosen on one half of the draws and regrets are computed on the other, so that
    the winner's luck in the draws does not flatter it.

    Beyond the costliest run the law's form may be wrong, and how much of that error two
    architectures share is believed, not known. So everything is judged twice: as believed, and as
    if each architecture's error were its own. A choice that stands under one and not the other is
    not decided.

    Args:
        beliefs: Of loss and, where objectives or limits mention it, latency. Build the loss
            ensemble with about a thousand members: probabilities are shares of them. Posteriors
            whose chains are not quite sound are widened, with a note.
        target_candidates: Architectures at the target's scale.
        baseline: What to beat; predicted in the same draws, and so is it with other numbers of KV
            heads.
        objectives: What is wanted, more is better.
        limits: What must hold.
        seed: The same seed, the same recommendation.
        p_feasible: Least probability to keep all limits.
        p_front: Least probability to be Pareto-optimal to be listed on the front.
        n_draws: Joint draws; one a loss member when left out.
        beat_loss_nats: By how much a new run's loss is to beat the baseline's [nats per token],
            for `Forecast.p_beats_by`.
        beat_latency_share: Share of the baseline's latency to be saved, for the same.
        space: What candidates were taken from, to say whether the baseline belongs to it.
        runs: What may be run to learn more; with it `Recommendation.deciding_run` says which of
            these would teach most about the choice, or a note says "stop".
        done: Ended runs, which are not proposed again.
        pending: Runs under way, likewise.
        budget_gpu_hours: What learning more may cost; None for no limit.

    Raises:
        InvalidInputError: No candidates, a probability outside 0..1, a belief is missing that
            an objective or limit needs, two limits that contradict each other, or a posterior
            whose chains failed.
    """
    candidates = list(dict.fromkeys(target_candidates))
    if not candidates:
        raise InvalidInputError("no target candidates were given to recommend from")
    for name, share in (("p_feasible", p_feasible), ("p_front", p_front)):
        if not 0 <= share <= 1:
            raise InvalidInputError(f"{name} is a probability, got {share}")
    if beliefs.loss is None:
        raise InvalidInputError("a recommendation needs a fitted loss law")
    margins = Margins(beat_loss_nats, beat_latency_share)
    wanted = parse_objectives(objectives, limits)
    ensemble, notes = trusted(beliefs.loss)
    beliefs = replace(beliefs, loss=ensemble)
    everyone = _with_baselines(candidates, baseline)
    outcomes = draw_outcomes(
        beliefs,
        everyone,
        baseline=baseline,
        needed=wanted.names,
        n_draws=enough_draws(ensemble.n_members if n_draws is None else n_draws),
        seed=seed,
        apart=True,
    )
    n = len(candidates)
    found = judge(wanted, outcomes, n, p_feasible)
    apart = None
    if outcomes.apart is not None:
        apart = judge(wanted, outcomes.apart, n, p_feasible, given=found)
    is_baseline = np.arange(len(everyone)) == (len(everyone) - 1 if baseline else -1)
    forecasts = forecast_all(
        wanted, outcomes, found, apart, margins=margins, is_baseline=is_baseline
    )
    regret_share = float(found.regret_share[found.chosen])
    regret_apart = None if apart is None else float(apart.regret_share[found.chosen])
    run = None
    if len(runs):
        run = deciding_run(
            beliefs, wanted, runs, candidates, regret_shares=(regret_share, regret_apart),
            baseline=baseline, done=done, pending=pending, budget_gpu_hours=budget_gpu_hours, seed=seed,
        )  # fmt: skip
    asked, second = forecasts[:n], found.runner_up
    front = sorted(
        (forecast for forecast in asked if forecast.p_pareto >= p_front),
        key=lambda forecast: (forecast.loss_nats or {}).get("p50", 0.0),
    )
    pair = None if second is None else outcomes.of([found.chosen, second])
    reference, ideal = found.box
    return Recommendation(
        chosen=forecasts[found.chosen],
        baseline=forecasts[-1] if baseline is not None else None,
        front=tuple(front),
        forecasts=tuple(asked),
        rule=_rule(wanted, p_feasible),
        regret_unit=wanted.wanted[0].text if len(wanted.wanted) == 1 else "share of the box",
        notes=(
            *limit_notes(wanted, outcomes, found, n, p_feasible),
            *rival_notes(outcomes, found, apart, run, were_runs_given=len(runs) > 0),
            *notes,
            *distance_notes(beliefs, candidates),
            *baseline_notes(baseline, candidates, space),
            *_latency_notes(beliefs, everyone[found.chosen]),
        ),
        runner_up=None if second is None else forecasts[second],
        credible=credible_set(candidates, found.p_best),
        drivers={} if pair is None else drivers(wanted, pair, beliefs, found.box),
        heuristics=_heuristics(candidates, outcomes, found, forecasts, baseline),
        deciding_run=run,
        record={
            "objectives": [expression.text for expression in wanted.wanted],
            "limits": [expression.text for expression in wanted.limits],
            "seed": seed,
            "n_draws": outcomes.n_draws,
            "reference_point": reference.tolist(),
            "ideal_point": ideal.tolist(),
            "p_best": found.chosen_best,
            "regret_share": regret_share,
            "regret_share_apart": regret_apart,
        },
    )


def _with_baselines(candidates: list[Candidate], baseline: Candidate | None) -> list[Candidate]:
    """Set the baseline beside the candidates, last, and before it its variants in KV heads."""
    if baseline is None:
        return candidates
    known = set(candidates)
    variants = [other for other in with_other_gqa(baseline) if other not in known]
    return [*candidates, *variants, baseline]


def _heuristics(
    candidates: Sequence[Candidate],
    outcomes: Outcomes,
    found: Judgement,
    forecasts: Sequence[Forecast],
    baseline: Candidate | None,
) -> tuple[Heuristic, ...]:
    """Set rules of thumb beside the choice: usual shapes, and the baseline with only GQA changed."""
    picked = usual_shapes(candidates)
    if baseline is not None and (others := with_other_gqa(baseline)):
        columns = [outcomes.candidates.index(other) for other in others]
        expected = found.utility.mean(axis=0)[columns]
        picked["the baseline with only GQA changed"] = columns[int(np.argmax(expected))]
    losses = outcomes.new_values["loss_nats"]

    def beside(column: int) -> tuple[float, float]:
        ahead = found.utility[:, found.chosen] > found.utility[:, column]
        lower = losses[:, found.chosen] < losses[:, column]
        return float(ahead.mean()), float(lower.mean())

    return tuple(
        Heuristic(name, forecasts[column], *beside(column)) for name, column in picked.items()
    )


def _rule(wanted: Objectives, p_feasible: float) -> str:
    what = " and ".join(wanted.plain)
    if len(wanted.wanted) > 1:
        what = (
            f"balance of {what} (the share that it dominates of the box between the best and the "
            f"worst point on the front)"
        )
    if not wanted.limits:
        return f"best expected {what}"
    limits = " and ".join(expression.text for expression in wanted.limits)
    return f"best expected {what}, among candidates with P({limits}) >= {p_feasible:g}"


def _latency_notes(beliefs: Beliefs, chosen: Candidate) -> tuple[Note, ...]:
    if beliefs.latency is None or beliefs.workload is None:
        return ()
    return beliefs.latency.extrapolation_notes([chosen.architecture], beliefs.workload)
