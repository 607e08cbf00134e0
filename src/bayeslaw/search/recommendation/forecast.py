"""What is believed about one candidate at the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        p_best: Probability to have the highest utility of all candidates.
        p_pareto_apart: `p_pareto`, were each architecture's error beyond the runs its own; None
            where the law's error is not known apart.
        p_best_apart: `p_best` likewise.
        p_beats_by: `p_beats` by the margins that were asked for, and ``at_once`` for loss and
            latency together; empty where none was.
        more: Quantiles of the other figures that objectives or limits mention, by name.
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
    p_best: float = 0.0
    p_pareto_apart: float | None = None
    p_best_apart: float | None = None
    p_beats_by: Mapping[str, float] = field(default_factory=dict)
    more: Mapping[str, Quantiles] = field(default_factory=dict)

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
            "p_best": self.p_best,
            "p_pareto_apart": self.p_pareto_apart,
            "p_best_apart": self.p_best_apart,
            "p_beats_by": dict(self.p_beats_by),
            "more": {name: dict(quantiles) for name, quantiles in self.more.items()},
        }
