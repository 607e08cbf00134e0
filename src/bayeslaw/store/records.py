"""What a store keeps, as it hands it out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture

StudyStatus = Literal["active", "paused", "closed"]


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """Hold a study as the store knows it.

    Attributes:
        study_id: Its name.
        config: What it was created with.
        state: Whether runs are handed out (active), not now (paused) or never again (closed).
        version: Rises with every change of its state; 1 for a new one.
        created_at: When [s since 1970].
        position: Rises with every study added; where a list goes on.
    """

    study_id: str
    config: dict[str, Any]
    state: StudyStatus = "active"
    version: int = 1
    created_at: float = 0.0
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Hold a run with what the store knows about it beyond the run itself.

    Attributes:
        run: The run.
        version: Of the row this was read from; 0 for a run that is not stored yet. It rises with
            every change, so it tells whether somebody wrote since one read.
        holder: Worker that has leased it; empty when nobody has.
        leased_at: When the present lease began [s since 1970].
        expires_at: When the present lease ends unless renewed [s since 1970].
        lease_seconds: How long the present lease was given for, when last renewed [s].
        n_lost: Leases of this run that ran out without a result [count].
        is_late: Whether its result came from a worker that did not hold it any more.
        extra_gpu_hours: What results that came second cost [h].
        position: Rises with every run added; where a list goes on.
    """

    run: Run
    version: int = 0
    holder: str = ""
    leased_at: float | None = None
    expires_at: float | None = None
    lease_seconds: float | None = None
    n_lost: int = 0
    is_late: bool = False
    extra_gpu_hours: float = 0.0
    position: int = field(default=0, compare=False)

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
        run_id: The run whose network was timed; empty when it belongs to none.
        position: Rises with every measurement added; where a list goes on.
    """

    measurement_id: str
    measurement: Measurement
    cost_gpu_hours: float = 0.0
    run_id: str = ""
    position: int = field(default=0, compare=False)


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
    """Hold one version of a named JSON document, such as a recommendation that was acted on.

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


@dataclass(frozen=True, slots=True)
class View:
    """Hold something that can be computed again from the events, so only the latest is kept.

    Attributes:
        name: Unique within a study, such as ``plan``.
        payload: Its content, JSON-ready.
        based_on_seq: The last event it knows of.
        at: When it was written [s since 1970].
    """

    name: str
    payload: Any
    based_on_seq: int
    at: float


@dataclass(frozen=True, slots=True)
class PlanItem:
    """Hold a run that is worth doing and that nobody was given yet.

    Attributes:
        rank: Lower is handed out first; unique within a plan.
        run: The run to be, planned; its name is given when it is handed out.
        cost_gpu_hours: Predicted device-hours [h]; None where nothing is known.
    """

    rank: int
    run: Run
    cost_gpu_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold something that was asked for and takes longer than an answer may.

    Attributes:
        operation_id: Unique.
        study_id: Of the study.
        kind: ``suggest``, ``recommend``, ``plan`` or ``fit``.
        request: What was asked, JSON-ready.
        status: pending, done or failed; it never stays pending for good.
        result: What came of it; done ones only.
        error: Why nothing did; failed ones only.
        created_at: When it was asked for [s since 1970].
        finished_at: When it ended [s since 1970].
        n_tries: Times that a planner took it up [count].
        position: Rises with every operation; where a list goes on.
    """

    operation_id: str
    study_id: str
    kind: str
    request: dict[str, Any]
    status: Literal["pending", "done", "failed"] = "pending"
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    created_at: float = 0.0
    finished_at: float | None = None
    n_tries: int = 0
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what a write was answered, so that asking it again is harmless.

    Attributes:
        fingerprint: Of the request; another request under the same key is a mistake.
        status: HTTP status.
        headers: Those worth repeating, such as ``ETag`` and ``Location``.
        body: JSON-ready.
    """

    fingerprint: str
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Token:
    """Hold what a bearer token may do; the secret itself is nowhere.

    Attributes:
        token_id: Unique, public.
        name: Whose it is.
        secret_hash: SHA-256 of the secret, hex.
        scopes: Among ``read``, ``plan``, ``report`` and ``admin``.
        created_at: When [s since 1970].
        expires_at: When it stops working [s since 1970]; None for never.
        revoked_at: When it was revoked [s since 1970]; None while it stands.
        previous_hash: SHA-256 of the secret before the last rotation; empty when there is none.
        previous_until: Until when that one works too [s since 1970].
    """

    token_id: str
    name: str
    secret_hash: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    previous_hash: str = ""
    previous_until: float | None = None


def candidate_key(run: Run) -> str:
    """Return what two runs of one architecture and token count share; empty without a shape.

    >>> candidate_key(Run("r1", n_tokens=1000))
    ''
    """
    return "" if run.architecture is None else _candidate_key(run.architecture, run.n_tokens)


# A run is written several times on its way, and has the same key each time.
@lru_cache(maxsize=4096)
def _candidate_key(architecture: Architecture, n_tokens: int) -> str:
    content = json.dumps([architecture.to_dict(), n_tokens], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]
