"""What a store keeps, as it hands it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bayeslaw.runs import Measurement, Run


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Hold a run with what the store knows about it beyond the run itself.

    Attributes:
        run: The run.
        version: Of the row this was read from; 0 for a run that is not stored yet. An update
            states it, so that nobody overwrites what they have not seen.
        holder: Worker that has leased it; empty when nobody has.
        leased_at: When the present lease began [s since 1970].
        expires_at: When the present lease ends unless renewed [s since 1970].
        n_lost: Leases of this run that ran out without a result [count].
    """

    run: Run
    version: int = 0
    holder: str = ""
    leased_at: float | None = None
    expires_at: float | None = None
    n_lost: int = 0

    def is_held(self, at: float) -> bool:
        """Whether somebody's lease covers this moment [s since 1970]."""
        return bool(self.holder) and self.expires_at is not None and at < self.expires_at


@dataclass(frozen=True, slots=True)
class StoredMeasurement:
    """Hold a measurement under a name that makes writing it twice harmless.

    Attributes:
        measurement_id: Unique within a study.
        measurement: What was timed.
        cost_gpu_hours: Device-hours that timing took.
    """

    measurement_id: str
    measurement: Measurement
    cost_gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """Say what happened to a study; events are only ever appended.

    Attributes:
        kind: What happened, such as ``run_leased``.
        at: When [s since 1970].
        run_id: To which run; empty when to none.
        payload: Details, JSON-ready.
        seq: Its number, rising within a study, given by the store; 0 before it is stored.
    """

    kind: str
    at: float
    run_id: str = ""
    payload: dict[str, Any] = field(default_factory=dict)
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """Hold one version of a named JSON document, such as a plan or a recommendation.

    Attributes:
        name: Unique within a study.
        version: 1 for the first; every write adds one.
        at: When it was written [s since 1970].
        payload: Its content, JSON-ready.
    """

    name: str
    version: int
    at: float
    payload: Any
