"""What to build at the target, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bayeslaw.models.notes import Note
from bayeslaw.search.suggestion import Quantiles
from bayeslaw.space import Candidate


@dataclass(frozen=True)
class Forecast:
    """Say what is believed about one candidate at the target.

    Attributes:
        candidate: Architecture and tokens.
        loss_nats: Quantiles of a new run's loss, its scatter included [nats per token].
        ttft_ms: Quantiles of a new timing of prefill [ms]; None where nothing was measured.
        tpot_ms: Quantiles of a new timing of a decode step [ms]; None where nothing was measured.
        memory_gb: Serving memory [1e9 byte]; None without a workload.
        p_feasible: Probability that all limits hold.
        p_pareto: Probability that it is feasible and no feasible candidate dominates it.
        p_beats: Probability to beat the baseline in one figure: ``loss_nats`` of a new run of
            each (both scatter), ``ttft_ms`` and ``tpot_ms`` of the latency itself. Empty without
            a baseline.
        p_beats_baseline: Probability of a lower loss in a new run and no more latency, in each
            latency figure that objectives or limits mention, at once.
        expected_regret: What the best feasible candidate would gain over it, on average.
    """

    candidate: Candidate
    loss_nats: Quantiles | None
    ttft_ms: Quantiles | None
    tpot_ms: Quantiles | None
    memory_gb: float | None
    p_feasible: float
    p_pareto: float
    p_beats: Mapping[str, float]
    p_beats_baseline: float | None
    expected_regret: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "architecture": self.candidate.architecture.to_dict(),
            "n_tokens": self.candidate.n_tokens,
            **{
                name: None if (q := getattr(self, name)) is None else dict(q)
                for name in ("loss_nats", "ttft_ms", "tpot_ms")
            },
            "memory_gb": self.memory_gb,
            "p_feasible": self.p_feasible,
            "p_pareto": self.p_pareto,
            "p_beats": dict(self.p_beats),
            "p_beats_baseline": self.p_beats_baseline,
            "expected_regret": self.expected_regret,
        }


@dataclass(frozen=True)
class Recommendation:
    """Recommend one architecture for the target.

    Attributes:
        chosen: The recommended candidate.
        baseline: What it is compared with, predicted jointly; None without one.
        front: Candidates with a fair chance to be Pareto-optimal, by increasing loss.
        forecasts: All candidates, in the order given.
        rule: How the choice was made, for a person.
        regret_unit: Of every ``expected_regret``.
        notes: Warnings; a recommendation that cannot be told from its rivals says so here.
        record: Objectives, limits, seed, draws, reference and ideal point.
    """

    chosen: Forecast
    baseline: Forecast | None
    front: tuple[Forecast, ...]
    forecasts: tuple[Forecast, ...]
    rule: str
    regret_unit: str
    notes: tuple[Note, ...]
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_decided(self) -> bool:
        """Whether the chosen candidate keeps the limits and stands out from its rivals."""
        return not {note.code for note in self.notes} & {"undecidable", "limits_not_met"}

    def to_dict(self) -> dict[str, Any]:
        """Return chosen, baseline and front as JSON-ready values, the other candidates counted."""
        return {
            "chosen": self.chosen.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "front": [forecast.to_dict() for forecast in self.front],
            "n_candidates": len(self.forecasts),
            "rule": self.rule,
            "regret_unit": self.regret_unit,
            "is_decided": self.is_decided,
            "notes": [note.to_dict() for note in self.notes],
            "record": dict(self.record),
        }
