"""From draws and a judgement of them to a forecast a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.figures import FIGURES
from bayeslaw.search.objectives import Objectives
from bayeslaw.search.outcomes import BASELINE, Outcomes
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.judge import Judgement
from bayeslaw.search.suggestion import Quantiles

_OWN_FIELDS = ("loss_nats", "ttft_ms", "tpot_ms")
_LATENCY = ("ttft_ms", "tpot_ms")


@dataclass(frozen=True)
class Margins:
    """Say by how much the baseline is to be beaten.

    Attributes:
        loss_nats: By which a new run's loss is to be lower [nats per token].
        latency_share: Share of the baseline's latency that is to be saved.
    """

    loss_nats: float = 0.0
    latency_share: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.loss_nats) and self.loss_nats >= 0):
            raise InvalidInputError(
                f"beat_loss_nats is a loss to be saved, at least 0, got {self.loss_nats}"
            )
        if not 0 <= self.latency_share < 1:
            raise InvalidInputError(
                f"beat_latency_share is a share of the baseline's latency in 0..1, got "
                f"{self.latency_share}"
            )

    @property
    def are_asked(self) -> bool:
        """Whether any is more than nothing."""
        return self.loss_nats > 0 or self.latency_share > 0


def forecast_all(
    wanted: Objectives,
    outcomes: Outcomes,
    found: Judgement,
    apart: Judgement | None,
    *,
    margins: Margins,
    is_baseline: np.ndarray,
) -> list[Forecast]:
    """Return a forecast for every column.

    Args:
        wanted: Objectives and limits.
        outcomes: One candidate a column.
        found: Judged under the errors as believed.
        apart: Judged as if errors beyond the runs were each architecture's own.
        margins: By how much the baseline is to be beaten.
        is_baseline: Which columns are the baseline itself, which is not compared with itself.
    """
    beats = beats_by = {}
    if f"{BASELINE}loss_nats" in outcomes.new_values:
        beats = _beats(wanted, outcomes, Margins())
        beats_by = _beats(wanted, outcomes, margins) if margins.are_asked else {}
    others = _others(wanted)
    quantiles = {name: _quantiles(outcomes, name) for name in (*_OWN_FIELDS, *others)}
    memory = outcomes.values.get("memory_gb")
    feasible = found.is_feasible.mean(axis=0)

    def at(shares: Mapping[str, np.ndarray], i: int) -> dict[str, float]:
        return {} if is_baseline[i] else {name: float(s[i]) for name, s in shares.items()}

    result = []
    for i, candidate in enumerate(outcomes.candidates):
        won = at(beats, i)
        at_once = won.pop("at_once", None)
        is_asked = i < len(found.p_best)
        result.append(
            Forecast(
                candidate=candidate,
                loss_nats=_at(quantiles["loss_nats"], i),
                ttft_ms=_at(quantiles["ttft_ms"], i),
                tpot_ms=_at(quantiles["tpot_ms"], i),
                memory_gb=None if memory is None else float(memory[0, i]),
                p_feasible=float(feasible[i]),
                p_pareto=float(found.p_pareto[i]),
                p_beats=won,
                p_beats_baseline=at_once,
                expected_regret=found.scale * float(found.regret_share[i]),
                p_best=float(found.p_best[i]) if is_asked else 0.0,
                p_pareto_apart=None if apart is None else float(apart.p_pareto[i]),
                p_best_apart=float(apart.p_best[i]) if apart is not None and is_asked else None,
                p_beats_by=at(beats_by, i),
                more={n: q for n in others if (q := _at(quantiles[n], i)) is not None},
            )
        )
    return result


def _others(wanted: Objectives) -> list[str]:
    """Name what is wanted or limited beside the figures that every forecast has."""
    bare = {name.removeprefix(BASELINE) for name in wanted.names}
    return [name for name in FIGURES if name in bare - {*_OWN_FIELDS, "loss", "memory_gb"}]


def _quantiles(outcomes: Outcomes, name: str) -> dict[str, np.ndarray] | None:
    found = outcomes.quantiles(name)
    if found is None and name in outcomes.values:
        certain = np.median(outcomes.values[name], axis=0)
        return {"p05": certain, "p50": certain, "p95": certain}
    return found


def _at(quantiles: Mapping[str, np.ndarray] | None, i: int) -> Quantiles | None:
    return None if quantiles is None else {key: float(row[i]) for key, row in quantiles.items()}


def _beats(wanted: Objectives, outcomes: Outcomes, margins: Margins) -> dict[str, np.ndarray]:
    """Return P(beats the baseline) by figure, and ``at_once`` of loss and the latency that counts."""
    new, certain = outcomes.new_values, outcomes.values
    at_once = new["loss_nats"] < new["baseline.loss_nats"] - margins.loss_nats
    found = {"loss_nats": at_once.mean(axis=0)}
    for name in _LATENCY:
        if name not in certain:
            continue
        asked = (1 - margins.latency_share) * certain[f"{BASELINE}{name}"]
        saved = certain[name] <= asked if margins.latency_share else certain[name] < asked
        found[name] = saved.mean(axis=0)
        figures = {name, "e2e_ms", *(["throughput_tokens_per_s"] if name == "tpot_ms" else [])}
        if wanted.names & (figures | {f"{BASELINE}{figure}" for figure in figures}):
            at_once = at_once & (certain[name] <= asked)
    return {**found, "at_once": at_once.mean(axis=0)}
