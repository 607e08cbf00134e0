"""One timing of one architecture, or the finding that it does not fit."""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture, Workload

PERCENTILES = (10, 25, 50, 75, 90, 99)
"""What ``percentiles`` holds of each timed figure, as ``p10`` and so on."""

TIMED = ("ttft_ms", "tpot_ms", "ttft_iqr_ms", "tpot_iqr_ms")
"""What is NaN, null in JSON, where nothing could be timed."""


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
        percentiles: Of the repeats, ``{"ttft_ms": {"p10": ..., "p99": ...}, "tpot_ms": {...}}``
            [ms]; empty where only the median is known.
        e2el_ms: A true generation from prompt to last token, median wall time [ms]; a check on
            `e2e_ms`. None where none was run.
        out_of_memory: Whether it does not fit on the device: then ``ttft_ms``, ``tpot_ms`` and
            their ranges are NaN (null in JSON) and ``n_repeats`` is 0.
        session: Timings of one process share a session; empty where it is not known.
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
    percentiles: dict[str, dict[str, float]] = field(default_factory=dict)
    e2el_ms: float | None = None
    out_of_memory: bool = False
    session: str = ""

    def __post_init__(self) -> None:
        if self.out_of_memory:
            if self.n_repeats or not all(math.isnan(getattr(self, name)) for name in TIMED):
                raise InvalidInputError(
                    f"what ran out of memory has no timings: {TIMED} must be NaN and n_repeats 0 "
                    f"for {self.architecture}; use Measurement.infeasible"
                )
            return
        for name in ("ttft_ms", "tpot_ms"):
            _check_milliseconds(name, getattr(self, name), self.architecture)
        if self.e2el_ms is not None:
            _check_milliseconds("e2el_ms", self.e2el_ms, self.architecture)

    def __eq__(self, other: object) -> bool:
        """Compare as JSON, where a figure that was not timed equals another such (NaN does not)."""
        return isinstance(other, Measurement) and self.to_dict() == other.to_dict()

    @property
    def is_feasible(self) -> bool:
        """Whether it ran at all, so that it has timings."""
        return not self.out_of_memory

    @property
    def e2e_ms(self) -> float:
        """Time of a whole request: prefill and every later token [ms]; NaN if infeasible."""
        return self.ttft_ms + (self.workload.output_tokens - 1) * self.tpot_ms

    @classmethod
    def infeasible(
        cls,
        architecture: Architecture,
        workload: Workload,
        device: str,
        engine_version: str,
        *,
        record: dict[str, Any],
        session: str = "",
    ) -> Measurement:
        """Say that an architecture does not fit on a device under a workload.

        >>> small = Architecture(1, 8, 1, 1, 8, 16, 32, True)
        >>> found = Measurement.infeasible(small, Workload(), "h200", "torch 2", record={})
        >>> found.is_feasible, found.to_dict()["tpot_ms"], found.e2e_ms
        (False, None, nan)
        """
        nan = math.nan
        return cls(
            architecture, workload, device, engine_version, nan, nan, nan, nan, n_repeats=0,
            record=record, out_of_memory=True, session=session,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values; timings that were not taken are None."""
        values = asdict(self)
        if self.out_of_memory:
            values |= dict.fromkeys(TIMED)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Measurement:
        """Read what `to_dict` wrote, this version or an earlier one.

        Raises:
            InvalidInputError: A field is unknown or missing, or a timing makes no sense.
        """
        known = {entry.name: entry for entry in fields(cls)}
        if unknown := set(values) - set(known):
            raise InvalidInputError(f"unknown measurement field(s) {sorted(unknown)}")
        needed = {
            name
            for name, entry in known.items()
            if entry.default is MISSING and entry.default_factory is MISSING
        }
        if missing := needed - set(values):
            raise InvalidInputError(f"a measurement needs field(s) {sorted(missing)}")
        nulls = {name: math.nan for name in TIMED if values[name] is None}
        return cls(
            **{
                **values,
                **nulls,
                "architecture": Architecture.from_dict(values["architecture"]),
                "workload": Workload.from_dict(values["workload"]),
            }
        )


def _check_milliseconds(name: str, value: float, architecture: Architecture) -> None:
    if not (math.isfinite(value) and value > 0):
        raise InvalidInputError(
            f"{name} must be positive milliseconds, got {value} for {architecture}"
        )
