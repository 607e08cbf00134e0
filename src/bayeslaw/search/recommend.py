"""Which architecture to build at the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.notes import Note
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.front import box_share, keeps_limits, non_dominated, reference_and_ideal
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.outcomes import Outcomes, draw_outcomes
from bayeslaw.search.recommendation import Forecast, Recommendation
from bayeslaw.space import Candidate

# A rival that is better in a quarter of the draws is not ruled out; a regret below 2 % of the box
# is not worth another run.
_RIVAL_PROBABILITY = 0.25
_ALIKE_SHARE = 0.02
_LATENCY = ("ttft_ms", "tpot_ms")


def recommend(
    beliefs: Beliefs,
    target_candidates: Sequence[Candidate],
    *,
    baseline: Candidate | None = None,
    objectives: str | Sequence[str] = "-loss_nats, -tpot_ms",
    limits: str | Sequence[str] = (),
    seed: int = 0,
    p_feasible: float = 0.8,
    p_front: float = 0.05,
    n_draws: int | None = None,
) -> Recommendation:
    """Recommend the candidate with the highest expected utility among those that likely keep all limits.

    The utility of a candidate in one draw is the share of the box between reference and ideal
    point that it dominates alone (zero where it breaks a limit): with two objectives it asks for
    a balance of both, with one it is that objective. So "the best latency at a loss of at most
    2.8" is ``objectives="-tpot_ms", limits="loss_nats <= 2.8"``, and "the best loss at 0.95 times
    the baseline's latency" is ``objectives="-loss_nats", limits="tpot_ms <= 0.95 *
    baseline.tpot_ms"``. Expected regret is the mean over draws of the best utility of that draw
    less the candidate's. The candidate is chosen on one half of the draws and regrets are
    computed on the other, so that the winner's luck in the draws does not flatter it.

    Args:
        beliefs: Of loss and, where objectives or limits mention it, latency. Build the loss
            ensemble with about a thousand members: probabilities are shares of them.
        target_candidates: Architectures at the target's scale.
        baseline: What to beat; predicted in the same draws.
        objectives: What is wanted, more is better.
        limits: What must hold.
        seed: The same seed, the same recommendation.
        p_feasible: Least probability to keep all limits.
        p_front: Least probability to be Pareto-optimal to be listed on the front.
        n_draws: Joint draws; one a loss member when left out.

    Raises:
        InvalidInputError: No candidates, a probability outside 0..1, or a belief is missing that
            an objective or limit needs.
    """
    candidates = list(dict.fromkeys(target_candidates))
    if not candidates:
        raise InvalidInputError("no target candidates were given to recommend from")
    for name, share in (("p_feasible", p_feasible), ("p_front", p_front)):
        if not 0 <= share <= 1:
            raise InvalidInputError(f"{name} is a probability, got {share}")
    if beliefs.loss is None:
        raise InvalidInputError("a recommendation needs a fitted loss law")
    wanted = parse_objectives(objectives, limits)
    everyone = [*candidates, *([baseline] if baseline is not None else [])]
    outcomes = draw_outcomes(
        beliefs,
        everyone,
        baseline=baseline,
        needed=wanted.names,
        n_draws=beliefs.loss.n_members if n_draws is None else n_draws,
        seed=seed,
    )
    if outcomes.n_draws < 8:
        raise InvalidInputError(f"at least 8 draws are needed, got {outcomes.n_draws}")
    judged = _judge(wanted, outcomes, len(candidates), p_feasible)
    forecasts = _forecasts(wanted, outcomes, judged, baseline is not None)
    chosen = forecasts[judged.chosen]
    asked = forecasts[: len(candidates)]
    front = sorted(
        (forecast for forecast in asked if forecast.p_pareto >= p_front),
        key=lambda forecast: (forecast.loss_nats or {}).get("p50", 0.0),
    )
    scale = judged.regret_scale
    return Recommendation(
        chosen=chosen,
        baseline=forecasts[-1] if baseline is not None else None,
        front=tuple(front),
        forecasts=tuple(asked),
        rule=_rule(wanted, p_feasible),
        regret_unit=wanted.wanted[0].text if len(wanted.wanted) == 1 else "share of the box",
        notes=_notes(beliefs, judged, chosen, asked, scale, p_feasible),
        record={
            "objectives": [expression.text for expression in wanted.wanted],
            "limits": [expression.text for expression in wanted.limits],
            "seed": seed,
            "n_draws": outcomes.n_draws,
            "reference_point": judged.reference.tolist(),
            "ideal_point": judged.ideal.tolist(),
            "p_best": judged.p_best,
        },
    )


@dataclass(frozen=True)
class _Judged:
    """Hold what the draws say; columns are candidates and, last, the baseline if there is one."""

    chosen: int
    is_feasible: np.ndarray
    p_pareto: np.ndarray
    regret: np.ndarray
    regret_scale: float
    p_best: float
    n_rivals: int
    reference: np.ndarray
    ideal: np.ndarray


def _judge(wanted: Objectives, outcomes: Outcomes, n_candidates: int, p_feasible: float) -> _Judged:
    utilities = wanted.utilities(outcomes)
    is_feasible = keeps_limits(wanted.margins(outcomes))
    asked = slice(0, n_candidates)
    reference, ideal = reference_and_ideal(utilities[:, asked], is_feasible[:, asked])
    utility = box_share(utilities, is_feasible, reference, ideal)
    # Rows are in random order, so halves are two samples of the same belief.
    half = outcomes.n_draws // 2
    choosing, judging = utility[:half], utility[half:]
    often = is_feasible[:, asked].mean(axis=0)
    is_eligible = often >= p_feasible
    if not is_eligible.any():
        is_eligible = often == often.max()
    expected = np.where(is_eligible, choosing[:, asked].mean(axis=0), -np.inf)
    chosen = int(np.argmax(expected))
    best = judging[:, asked].max(axis=1, keepdims=True)
    ahead = (judging[:, asked] > judging[:, [chosen]]).mean(axis=0)
    scale = float(ideal[0] - reference[0]) if len(wanted.wanted) == 1 else 1.0
    return _Judged(
        chosen=chosen,
        is_feasible=is_feasible,
        p_pareto=_p_pareto(utilities, is_feasible, n_candidates),
        # The baseline may beat all candidates; its regret is then zero, not negative.
        regret=scale * np.maximum(best - judging, 0.0).mean(axis=0),
        regret_scale=scale,
        p_best=float((judging[:, chosen] >= best[:, 0]).mean()),
        n_rivals=int(((ahead >= _RIVAL_PROBABILITY) & is_eligible).sum()),
        reference=reference,
        ideal=ideal,
    )


def _p_pareto(utilities: np.ndarray, is_feasible: np.ndarray, n_candidates: int) -> np.ndarray:
    """Return each candidate's P(Pareto) among candidates, and the baseline's against them."""
    asked = slice(0, n_candidates)
    found = non_dominated(utilities[:, asked], is_feasible[:, asked]).mean(axis=0)
    if utilities.shape[1] == n_candidates:
        return found
    rival, at_baseline = utilities[:, asked], utilities[:, n_candidates:]
    beaten = (rival >= at_baseline).all(axis=-1) & (rival > at_baseline).any(axis=-1)
    stands = ~(beaten & is_feasible[:, asked]).any(axis=1) & is_feasible[:, n_candidates]
    return np.append(found, stands.mean())


def _forecasts(
    wanted: Objectives, outcomes: Outcomes, judged: _Judged, has_baseline: bool
) -> list[Forecast]:
    beats, beats_all = _beats(wanted, outcomes) if has_baseline else ({}, None)
    quantiles = {name: outcomes.quantiles(name) for name in ("loss_nats", *_LATENCY)}
    memory = outcomes.values.get("memory_gb")
    feasible = judged.is_feasible.mean(axis=0)
    # The baseline, last, is not compared with itself.
    n_asked = len(outcomes.candidates) - has_baseline

    def of(name: str, column: int) -> dict[str, float] | None:
        found = quantiles[name]
        return None if found is None else {key: float(row[column]) for key, row in found.items()}

    return [
        Forecast(
            candidate=candidate,
            loss_nats=of("loss_nats", i),
            ttft_ms=of("ttft_ms", i),
            tpot_ms=of("tpot_ms", i),
            memory_gb=None if memory is None else float(memory[0, i]),
            p_feasible=float(feasible[i]),
            p_pareto=float(judged.p_pareto[i]),
            p_beats={name: float(share[i]) for name, share in beats.items() if i < n_asked},
            p_beats_baseline=None if beats_all is None or i >= n_asked else float(beats_all[i]),
            expected_regret=float(judged.regret[i]),
        )
        for i, candidate in enumerate(outcomes.candidates)
    ]


def _beats(wanted: Objectives, outcomes: Outcomes) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return P(beats the baseline) by figure, and of loss and the latency that counts at once."""
    new, certain = outcomes.new_values, outcomes.values
    wins = new["loss_nats"] < new["baseline.loss_nats"]
    by_figure = {"loss_nats": wins.mean(axis=0)}
    at_once = wins
    for name in _LATENCY:
        if name not in certain:
            continue
        by_figure[name] = (certain[name] < certain[f"baseline.{name}"]).mean(axis=0)
        if wanted.names & {name, f"baseline.{name}", "e2e_ms", "baseline.e2e_ms"}:
            at_once = at_once & (certain[name] <= certain[f"baseline.{name}"])
    return by_figure, at_once.mean(axis=0)


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


def _notes(
    beliefs: Beliefs,
    judged: _Judged,
    chosen: Forecast,
    asked: Sequence[Forecast],
    scale: float,
    p_feasible: float,
) -> tuple[Note, ...]:
    notes = []
    if chosen.p_feasible < p_feasible:
        notes.append(
            Note(
                "limits_not_met",
                "warning",
                f"no candidate keeps all limits with probability {p_feasible:.0%}; the one most "
                f"likely to ({chosen.p_feasible:.0%}) is shown: relax a limit or widen the space",
            )
        )
    if judged.n_rivals:
        share = chosen.expected_regret / scale
        matters = share > _ALIKE_SHARE
        advice = "runs that tell them apart are worth doing" if matters else "any of them will do"
        notes.append(
            Note(
                "undecidable",
                "warning" if matters else "info",
                f"{judged.n_rivals} of {len(asked)} candidates are better in at least "
                f"{_RIVAL_PROBABILITY:.0%} of the draws and this one is best in "
                f"{judged.p_best:.0%}; choosing it costs {share:.1%} of the box on average, so "
                f"{advice}",
            )
        )
    if beliefs.latency is not None and beliefs.workload is not None:
        notes += beliefs.latency.extrapolation_notes(
            [chosen.candidate.architecture], beliefs.workload
        )
    return tuple(notes)
