"""A run worth doing next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bayeslaw.space import Candidate

Quantiles = Mapping[str, float]
"""``p05``, ``p50`` and ``p95`` of one quantity."""


@dataclass(frozen=True)
class Suggestion:
    """Propose one run, with what is expected of it and why.

    Attributes:
        candidate: Architecture and tokens.
        loss_nats: Quantiles of the run's final loss [nats per token]; None before a law.
        ttft_ms: Quantiles of its time to the first token [ms]; None before latency is known.
        tpot_ms: Quantiles of its time per output token [ms]; None before latency is known.
        cost_gpu_hours: Quantiles of its cost [GPU-hours]; None without a cost model.
        value: Expected share of the box between reference and ideal point: that it adds to the
            runs' front (qlognehvi), or that the choice at the target gains (knowledge_gradient);
            None where the acquisition knows no value.
        value_per_hour: The same per predicted median GPU-hour.
        why: For a person, in a sentence.
        record: Acquisition, seed, reference point and what else the choice rested on.
    """

    candidate: Candidate
    loss_nats: Quantiles | None
    ttft_ms: Quantiles | None
    tpot_ms: Quantiles | None
    cost_gpu_hours: Quantiles | None
    value: float | None
    value_per_hour: float | None
    why: str
    record: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            "architecture": self.candidate.architecture.to_dict(),
            "n_tokens": self.candidate.n_tokens,
            **{
                name: None if (q := getattr(self, name)) is None else dict(q)
                for name in ("loss_nats", "ttft_ms", "tpot_ms", "cost_gpu_hours")
            },
            "value": self.value,
            "value_per_hour": self.value_per_hour,
            "why": self.why,
            "record": dict(self.record),
        }
