"""The rules by which runs are handed out and end: what follows from what, and nothing done.

Each function takes a run as stored and the present time [s since 1970] and returns what
becomes of it with the event that tells of it: a `Change`. None means that nothing changes; a
change without a run is an event alone. A change that is not allowed raises `StateError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Literal

from bayeslaw.errors import StateError
from bayeslaw.runs import JobResult, Run
from bayeslaw.store import Event, StoredRun

OPEN = ("planned", "leased", "running")
LEASED = ("leased", "running")

Change = tuple[StoredRun | None, Event]


def take(
    entry: StoredRun, now: float, *, worker_id: str, seconds: float
) -> tuple[StoredRun, Event]:
    """Give a planned run to a worker, or renew the lease of the worker that holds it."""
    is_again = entry.holder == worker_id
    run = entry.run if is_again else entry.run.advance("leased")
    taken = replace(
        entry,
        run=run,
        holder=worker_id,
        leased_at=entry.leased_at if is_again else now,
        expires_at=now + seconds,
    )
    payload = {"worker_id": worker_id, "seconds": seconds, "is_again": is_again}
    return taken, Event("run_leased", now, run.run_id, payload)


def renew(
    entry: StoredRun, now: float, *, worker_id: str, seconds: float, progress: Mapping[str, Any]
) -> Change:
    """Renew the worker's own lease and set the run to running."""
    run = entry.run
    if entry.holder != worker_id:
        holder = f"held by {entry.holder!r}" if entry.holder else "held by nobody"
        raise StateError(
            f"run {run.run_id!r} is {run.status} and {holder}, not by {worker_id!r}; stop "
            f"working on it"
        )
    if run.status != "running":
        run = run.advance("running")
    payload = {"worker_id": worker_id, "progress": dict(progress)}
    event = Event("run_heartbeat", now, run.run_id, payload)
    return replace(entry, run=run, expires_at=now + seconds), event


def expire(entry: StoredRun, now: float, *, max_lost: int) -> tuple[StoredRun, Event] | None:
    """Take back a run whose lease has run out; after so many, it has failed."""
    if not entry.holder or entry.is_held(now):
        return None
    n_lost = entry.n_lost + 1
    payload = {"worker_id": entry.holder, "n_lost": n_lost}
    if n_lost < max_lost:
        run, kind = entry.run.advance("planned"), "run_lost"
    else:
        reason = f"its lease ran out {n_lost} times, last with worker {entry.holder!r}"
        # The cost was a prediction so far; what was spent on lost work nobody knows.
        run = replace(entry.run.advance("failed", reason=reason), cost_gpu_hours=0.0)
        kind, payload = "run_failed", {**payload, "reason": reason}
    return _released(entry, run, n_lost=n_lost), Event(kind, now, run.run_id, payload)


def give_back(entry: StoredRun, now: float, *, reason: str) -> Change | None:
    """Return a run to the planned ones, uncounted."""
    run = entry.run
    if run.status == "planned":
        return None
    payload = {"reason": reason, "worker_id": entry.holder}
    event = Event("run_requeued", now, run.run_id, payload)
    return _released(entry, run.advance("planned")), event


def conclude(
    entry: StoredRun, now: float, *, result: JobResult, worker_id: str, max_lost: int
) -> Change | None:
    """End a run with a result; one that comes second, or a stale failure, is an event alone."""
    run, digest = entry.run, result_hash(result)
    if run.record.get("result_hash") == digest:
        return None
    cost = result.seconds / 3600
    # One that the study gave up for lost has had no result yet, and what came late was paid.
    is_given_up = run.status == "failed" and entry.n_lost >= max_lost
    is_stale = bool(worker_id) and entry.is_held(now) and entry.holder != worker_id
    if (run.is_ended and not is_given_up) or (is_stale and result.status == "failed"):
        payload = {"worker_id": worker_id, "cost_gpu_hours": cost, "result_hash": digest}
        payload["result"] = asdict(result)
        return None, Event("run_result_ignored", now, run.run_id, payload)
    if is_given_up:
        run = replace(run, status="planned", reason="")
    run = run.conclude(result)
    run = replace(run, record={**run.record, "result_hash": digest})
    payload = {
        "worker_id": worker_id or entry.holder,
        "loss_nats": run.loss_nats,
        "cost_gpu_hours": cost,
        "reason": run.reason,
    }
    return _released(entry, run, n_lost=0), Event(f"run_{run.status}", now, run.run_id, payload)


def end(
    entry: StoredRun,
    now: float,
    *,
    status: Literal["failed", "stopped"],
    reason: str,
    cost_gpu_hours: float,
) -> Change | None:
    """End a run that gives no result, with what it cost."""
    run = entry.run
    if run.status == status and run.reason == reason:
        return None
    ended = replace(run.advance(status, reason=reason), cost_gpu_hours=cost_gpu_hours)
    payload = {"reason": reason, "cost_gpu_hours": cost_gpu_hours, "worker_id": entry.holder}
    return _released(entry, ended, n_lost=0), Event(f"run_{status}", now, run.run_id, payload)


def retract(entry: StoredRun, now: float, *, reason: str) -> Change | None:
    """Supersede a done run."""
    if entry.run.superseded and entry.run.superseded == reason:
        return None
    event = Event("run_superseded", now, entry.run.run_id, {"reason": reason})
    return replace(entry, run=entry.run.superseded_for(reason)), event


def result_hash(result: JobResult) -> str:
    """Return a name for a result's content: delivered twice, it is told from a second one."""
    content = json.dumps(asdict(result), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _released(entry: StoredRun, run: Run, *, n_lost: int | None = None) -> StoredRun:
    n_lost = entry.n_lost if n_lost is None else n_lost
    return replace(entry, run=run, holder="", leased_at=None, expires_at=None, n_lost=n_lost)
