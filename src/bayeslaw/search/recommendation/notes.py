"""What qualifies a recommendation, as coded notes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from bayeslaw.models.loss.discrepancy import VALIDATED_COST_RATIO
from bayeslaw.models.notes import Note
from bayeslaw.runs import candidate_columns
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import Outcomes
from bayeslaw.search.recommendation.deciding import DecidingRun
from bayeslaw.search.recommendation.judge import ALIKE_SHARE, RIVAL_PROBABILITY, Judgement
from bayeslaw.space import Candidate, SearchSpace

_MOST_NAMED = 3


def limit_notes(
    wanted: Objectives, outcomes: Outcomes, found: Judgement, n_candidates: int, p_feasible: float
) -> list[Note]:
    """Say that no candidate likely keeps the limits, and which one or two of them are to blame."""
    often = float(found.is_feasible[:, found.chosen].mean())
    if often >= p_feasible:
        return []
    notes = [
        Note(
            "limits_not_met",
            "warning",
            f"no candidate keeps all limits with probability {p_feasible:.0%}; the one most "
            f"likely to ({often:.0%}) is shown: relax a limit or widen the space",
        )
    ]
    texts = [expression.text for expression in wanted.limits]
    holds = wanted.margins(outcomes)[:, :n_candidates] >= 0
    best_alone = holds.mean(axis=0).max(axis=0)  # (limit,)
    if (out := np.flatnonzero(best_alone < p_feasible)).size:
        said = ", ".join(f"{texts[i]!r} (at most {best_alone[i]:.0%})" for i in out)
        message = f"no candidate keeps {said} with probability {p_feasible:.0%}"
        return [*notes, Note("limit_too_tight", "warning", f"{message}, whatever it is like else")]
    for one, other in combinations(range(len(texts)), 2):
        together = float((holds[..., one] & holds[..., other]).mean(axis=0).max())
        if together < p_feasible:
            message = (
                f"{texts[one]!r} and {texts[other]!r} contradict each other: some candidates keep "
                f"either, none both (at most {together:.0%}); loosen one of the two"
            )
            return [*notes, Note("limits_contradict", "warning", message)]
    return notes


def rival_notes(
    outcomes: Outcomes,
    found: Judgement,
    apart: Judgement | None,
    run: DecidingRun | None,
    *,
    were_runs_given: bool,
) -> list[Note]:
    """Say between which candidates the choice is open, and what would decide it."""
    notes = []
    judged = [found, *([apart] if apart is not None else [])]
    is_open = any(judgement.is_open for judgement in judged)
    rivals = list(dict.fromkeys(int(i) for judgement in judged for i in judgement.rivals))
    if rivals:
        named = [outcomes.candidates[i] for i in [found.chosen, *rivals[: _MOST_NAMED - 1]]]
        more = len(rivals) + 1 - len(named)
        between = " and ".join(_name(candidate) for candidate in named)
        between += f" and {more} more" if more > 0 else ""
        cost, *cost_apart = (f"{float(j.regret_share[found.chosen]):.1%}" for j in judged)
        said = (
            f"undecidable between {between}: {len(rivals)} of {len(found.p_best)} candidates are "
            f"better than the first in at least {RIVAL_PROBABILITY:.0%} of the draws, and it is "
            f"best in {found.chosen_best:.0%}; choosing it costs {cost} of the box on average"
        )
        if cost_apart:
            said += f", {cost_apart[0]} if the law's error were each architecture's own"
        said += _disagreement(outcomes, found, apart)
        said += f"; {_advice(is_open, run, were_runs_given)}"
        notes.append(Note("undecidable", "warning" if is_open else "info", said))
    if were_runs_given and (run is None or not run.may_be_worth_it):
        why = (
            "no run is left that fits into it"
            if run is None
            else f"the best is expected to gain {run.gain_share:.2%} of the box"
        )
        notes.append(
            Note(
                "stop",
                "info",
                f"stop: nothing within budget would change the decision ({why})",
            )
        )
    if apart is None:
        notes.append(
            Note(
                "errors_not_told_apart",
                "info",
                "the loss belief does not tell the law's error beyond the runs from the law, so "
                "P(Pareto) was not computed with independent errors",
            )
        )
    return notes


def distance_notes(beliefs: Beliefs, candidates: Sequence[Candidate]) -> list[Note]:
    """Say that the target lies inside the runs, or further beyond them than was ever checked."""
    if beliefs.loss is None:
        return []
    distance = beliefs.loss.log_cost_distance(candidate_columns(candidates))
    if distance is None:
        return []
    furthest = float(np.exp(distance.max()))
    if furthest <= 1:
        return [
            Note(
                "target_inside_data",
                "info",
                f"every candidate costs less to train than the costliest run (at most "
                f"{furthest:.2g} of it), so nothing is extrapolated: training the best few is surer "
                f"than any law",
            )
        ]
    if furthest > VALIDATED_COST_RATIO:
        return [
            Note(
                "outside_validated_distance",
                "warning",
                f"candidates cost up to {furthest:.3g} times the costliest run; intervals were "
                f"checked on public tables up to {VALIDATED_COST_RATIO:g} times: train a run nearer "
                f"to the target",
            )
        ]
    return []


def baseline_notes(
    baseline: Candidate | None, candidates: Sequence[Candidate], space: SearchSpace | None
) -> list[Note]:
    """Say that the baseline is no member of what is chosen from."""
    if baseline is None:
        return []
    if space is not None:
        wrong = space.violations(baseline)
    else:
        wrong = _outside(baseline, candidates)
    if not wrong:
        return []
    return [
        Note(
            "baseline_outside_space",
            "info",
            f"the baseline could not be chosen itself: {'; '.join(wrong)}. It is predicted as the "
            f"candidates are, but a fair comparison has one size and one number of tokens",
        )
    ]


def _outside(baseline: Candidate, candidates: Sequence[Candidate]) -> list[str]:
    """Compare size and tokens with those of the candidates, all that tells without a space."""
    wrong = []
    for name in ("n_params", "n_tokens"):
        values = [_number(candidate, name) for candidate in candidates]
        own = _number(baseline, name)
        if not 0.95 * min(values) <= own <= 1.05 * max(values):
            wrong.append(f"its {name} of {own:,} lies outside {min(values):,} to {max(values):,}")
    return wrong


def _number(candidate: Candidate, name: str) -> int:
    return candidate.n_tokens if name == "n_tokens" else candidate.architecture.n_params


def _disagreement(outcomes: Outcomes, found: Judgement, apart: Judgement | None) -> str:
    if apart is None:
        return ""
    first, second = int(np.argmax(found.p_best)), int(np.argmax(apart.p_best))
    if found.is_open != apart.is_open:
        where = "only if the law's error were each architecture's own"
        if found.is_open:
            where = "only as the law's error is believed to be shared"
        return f" (open {where})"
    if first == second:
        return ""
    return (
        f" ({_name(outcomes.candidates[first])} is likeliest the best, "
        f"{found.p_best[first]:.0%}, as the law's error is believed to be shared; "
        f"{_name(outcomes.candidates[second])}, {apart.p_best[second]:.0%}, were it each "
        f"architecture's own)"
    )


def _advice(is_open: bool, run: DecidingRun | None, were_runs_given: bool) -> str:
    if not is_open:
        return f"that is under {ALIKE_SHARE:.0%}, so any of them will do"
    if not were_runs_given:
        return "runs that tell them apart are worth doing"
    if run is None or not run.may_be_worth_it:
        return "no run within the budget would tell them apart"
    hours = "" if run.cost_gpu_hours is None else f" for {run.cost_gpu_hours['p50']:.2g} GPU-hours"
    which = f"{hours}: {_name(run.candidate)} on {run.candidate.n_tokens:,} tokens"
    if not run.is_worth_it:
        error = f"{run.gain_share:.2%} +- {run.gain_stderr:.2%} of the box"
        return f"whether any run would tell is within the Monte Carlo error ({error}{which})"
    if run.decides:
        return f"this run would decide it{which}"
    return f"the run that would tell most{which} (it takes {run.gain_share:.1%} of the box off)"


def _name(candidate: Candidate) -> str:
    return str(candidate.architecture)
