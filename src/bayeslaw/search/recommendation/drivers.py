"""What a choice hangs on: the unknowns that make the chosen one better or worse than the runner-up."""

from __future__ import annotations

import numpy as np

from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.figures import latency_figures, loss_figures
from bayeslaw.search.front import box_share, keeps_limits, without_common_shift
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import BASELINE, Outcomes

_SIDES = ("", BASELINE)


def drivers(
    wanted: Objectives,
    pair: Outcomes,
    beliefs: Beliefs,
    box: tuple[np.ndarray, np.ndarray],
) -> dict[str, float]:
    """Return the share of the gap's variance that goes when one unknown is held at its mean.

    The gap is the utility of the first candidate less that of the second, as two new runs would
    show it. Shares need not add up to one: unknowns work together where limits are near.

    Args:
        wanted: Objectives and limits.
        pair: Outcomes of two candidates, with ``beyond``.
        beliefs: That the outcomes were drawn from.
        box: Reference and ideal point, each ``(objective,)``.

    Returns:
        By ``coefficients`` (of the laws, and which law), ``discrepancy`` (the form's error beyond
        the costliest run; with the coefficients where it is not known apart), ``noise`` (of a run)
        and ``latency``; those that there are. Empty where the gap does not vary.
    """
    whole = _gap(wanted, pair, beliefs, box, held="")
    variance = float(whole.var())
    if variance <= 1e-18:
        return {}
    sources = ["coefficients", *(["discrepancy"] if pair.beyond else []), "noise"]
    if "tpot_ms" in pair.values:
        sources.append("latency")
    return {
        source: max(
            0.0, 1.0 - float(_gap(wanted, pair, beliefs, box, held=source).var()) / variance
        )
        for source in sources
    }


def _gap(
    wanted: Objectives,
    pair: Outcomes,
    beliefs: Beliefs,
    box: tuple[np.ndarray, np.ndarray],
    *,
    held: str,
) -> np.ndarray:
    """Return the gap of each draw ``(draw,)``, one source held at its mean."""
    values = dict(pair.values)
    for side in _SIDES:
        if f"{side}loss_nats" in values:
            losses = _losses(pair, side, held)
            values |= {f"{side}{k}": v for k, v in loss_figures(losses, beliefs).items()}
        if held == "latency" and beliefs.workload is not None and f"{side}tpot_ms" in values:
            ttft, tpot = (
                np.exp(np.log(values[f"{side}{name}"]).mean(axis=0, keepdims=True))
                for name in ("ttft_ms", "tpot_ms")
            )
            found = latency_figures(ttft, tpot, beliefs.workload)
            values |= {f"{side}{k}": v for k, v in found.items()}
    moved = Outcomes(pair.candidates, values, pair.new_values, pair.n_draws, pair.beyond)
    is_feasible = keeps_limits(wanted.margins(moved))
    utility = box_share(without_common_shift(wanted.utilities(moved)), is_feasible, *box)
    return utility[:, 0] - utility[:, 1]


def _losses(pair: Outcomes, side: str, held: str) -> np.ndarray:
    name = f"{side}loss_nats"
    logs, new = np.log(pair.values[name]), np.log(pair.new_values[name])
    beyond = pair.beyond.get(name, np.zeros_like(logs))
    parts = {"coefficients": logs - beyond, "discrepancy": beyond, "noise": new - logs}
    if held in parts:
        parts[held] = parts[held].mean(axis=0, keepdims=True)
    return np.exp(parts["coefficients"] + parts["discrepancy"] + parts["noise"])
