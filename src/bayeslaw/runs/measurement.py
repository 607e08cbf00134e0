"""One timing of one architecture."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture, Workload


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold the latency of one architecture under one workload on one device.

    Attributes:
        architecture: The network that was timed, with random weights.
        workload: What it served.
        device: What it ran on, as the lab names it.
        engine_version: Of the engine, such as ``torch 2.13.0``; versions are not mixed in a fit.
        ttft_ms: Prefill: time to the first token, median over repeats [ms].
        tpot_ms: Decode: time per output token after the first, median over repeats [ms].
        ttft_iqr_ms: Interquartile range of the repeats [ms].
        tpot_iqr_ms: Interquartile range of the repeats [ms].
        n_repeats: Timed repeats [count].
        memory_bytes: Peak memory where the device reports it [byte].
        record: Attention backend, threads, versions, and other circumstances.
    """

    architecture: Architecture
    workload: Workload
    device: str
    engine_version: str
    ttft_ms: float
    tpot_ms: float
    ttft_iqr_ms: float
    tpot_iqr_ms: float
    n_repeats: int
    memory_bytes: float | None = None
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("ttft_ms", "tpot_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(
                    f"{name} must be positive milliseconds, got {value} for {self.architecture}"
                )

    @property
    def e2e_ms(self) -> float:
        """Time of a whole request: prefill and every later token [ms]."""
        return self.ttft_ms + (self.workload.output_tokens - 1) * self.tpot_ms

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Measurement:
        """Read what `to_dict` wrote."""
        return cls(
            **{
                **values,
                "architecture": Architecture.from_dict(values["architecture"]),
                "workload": Workload.from_dict(values["workload"]),
            }
        )
