"""Why a run was chosen, for a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition import Acquisition, Problem
from bayeslaw.search.front import keeps_limits, non_dominated
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import Outcomes

NEGLIGIBLE = 1e-6
"""Share of the box below which a run is called worth nothing."""

_TAUGHT = {"choice": "the choice", "front": "the front", "error": "losses"}
_PLAIN = {"loss_nats": "nats/token", "ttft_ms": "ms to the first token", "tpot_ms": "ms/token"}


def explain(
    way: Acquisition,
    problem: Problem,
    objectives: Objectives | None,
    outcomes: Outcomes,
    place: int,
    row: int,
    taken: Sequence[int],
    hours: float | None,
    value: float | None,
) -> str:
    """Return a sentence or two: what the run is, what it may improve, how sure, for how long.

    Args:
        way: What chose it.
        problem: What it was chosen from.
        objectives: What is wanted; None where no belief was asked.
        outcomes: Of the chosen runs.
        place: Of the run among them.
        row: Of the run in the problem.
        taken: Rows chosen before it.
        hours: It takes, the median.
        value: In the acquisition's own units.
    """
    candidate = outcomes.candidates[place]
    sentence = f"{candidate.architecture} on {candidate.n_tokens:,} tokens"
    if hours is not None:
        sentence += f" (about {_hours(hours)})"
    if objectives is None:
        return sentence + ": " + _distance(way, problem, row, taken)
    expected = [
        f"{found['p50'][place]:.4g} [{found['p05'][place]:.4g}, {found['p95'][place]:.4g}] {unit}"
        for name, unit in _PLAIN.items()
        if (found := outcomes.quantiles(name)) is not None
        and (name in objectives.names or (name == "loss_nats" and "loss" in objectives.names))
    ]
    if expected:
        sentence += " is expected to reach " + " and ".join(expected) + " (90 %)"
    if value is not None and value < NEGLIGIBLE:
        return (
            f"{sentence}, but nothing is expected to be gained by it or by any other of the "
            f"{problem.n_candidates} candidates that the budget still pays for: stop, raise the "
            f"budget or widen the space."
        )
    per = " for its device-hours" if hours is not None else ""
    if way.needs_target:
        about = _TAUGHT[problem.goal]
        sentence += f"; its loss would teach most about {about} at the target"
        return sentence + f"{per}, of {problem.n_candidates} candidates."
    if not way.needs_front:
        return sentence + f"; {way.summary}{per}, the most of {problem.n_candidates} candidates."
    sentence += "; " + _front(problem, objectives, row, taken)
    per = " per device-hour" if hours is not None else ""
    return sentence + f", the most expected gain{per} of {problem.n_candidates} candidates."


def _front(problem: Problem, objectives: Objectives, row: int, taken: Sequence[int]) -> str:
    assert problem.utilities is not None and problem.margins is not None
    rivals = np.concatenate([problem.done, problem.pending, np.asarray(taken, dtype=int)])
    rows = np.append(rivals, row).astype(int)
    utilities = problem.utilities[:, rows]
    is_feasible = keeps_limits(problem.margins[:, rows])
    extends = float(non_dominated(utilities, is_feasible)[:, -1].mean())
    says = f"it extends the front with probability {_percent(extends)}"
    if len(rivals):
        others = np.where(is_feasible[:, :-1, None], utilities[:, :-1], -np.inf).max(axis=1)
        best = ((utilities[:, -1] > others) & is_feasible[:, -1:]).mean(axis=0)
        top = int(np.argmax(best))
        says += f" ({objectives.plain[top]} than any: {_percent(float(best[top]))})"
    if objectives.limits:
        says += f" and keeps all limits with {_percent(float(is_feasible[:, -1].mean()))}"
    return says


def _distance(way: Acquisition, problem: Problem, row: int, taken: Sequence[int]) -> str:
    seen = [*problem.done, *problem.pending, *taken]
    if way.name == "random":
        return "drawn by chance."
    if not seen:
        return "the middle of the space, as the first run of all."
    gaps = np.abs(problem.features[seen] - problem.features[row])
    nearest = gaps[int(np.argmin((gaps**2).sum(axis=1)))]
    feature = int(np.argmax(nearest))
    return (
        f"far from the {len(seen)} runs so far; the nearest differs {2 ** nearest[feature]:.2g}x "
        f"in {problem.feature_names[feature]}."
    )


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _hours(hours: float) -> str:
    return f"{hours:.2g} device-hours" if hours >= 0.1 else f"{hours * 3600:.2g} device-seconds"
