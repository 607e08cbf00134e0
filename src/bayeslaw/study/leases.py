"""The rules by which runs are handed out and end: what follows from what, and nothing done.

Each function takes a run as stored and the present time [s since 1970] and returns what
becomes of it with the event that tells of it: a `Change`. None means that nothing changes; a
change without a run is an event alone. A change that is not allowed raises `StateError`, for
a worker that lost the run `LeaseLostError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from bayeslaw.errors import LeaseLostError
from bayeslaw.runs import JobResult, Run
from bayeslaw.store import OPEN, Event, StoredRun

__all__ = ["OPEN", "Change", "EndedWithout"]

Change = tuple[StoredRun | None, Event]
EndedWithout = Literal["failed", "abandoned", "stopped"]


def take(
    entry: StoredRun, now: float, *, worker_id: str, seconds: float, device: str = ""
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
        lease_seconds=seconds,
    )
    payload = {"worker_id": worker_id, "seconds": seconds, "is_again": is_again}
    if device:
        payload["device"] = device
    return taken, Event("run_leased", now, run.run_id, payload)


def renew(
    entry: StoredRun, now: float, *, worker_id: str, seconds: float, progress: Mapping[str, Any]
) -> Change:
    """Renew the worker's own lease and set the run to running."""
    _check_holder(entry, worker_id)
    run = entry.run
    if run.status != "running":
        run = run.advance("running")
    payload: dict[str, Any] = {"worker_id": worker_id, "progress": dict(progress)}
    event = Event("run_heartbeat", now, run.run_id, payload)
    return replace(entry, run=run, expires_at=now + seconds, lease_seconds=seconds), event


def tell(
    entry: StoredRun, now: float, *, worker_id: str, points: Sequence[Mapping[str, Any]]
) -> Change:
    """Note losses on the way, from the worker that holds the run."""
    _check_holder(entry, worker_id)
    payload = {"worker_id": worker_id, "points": [dict(point) for point in points]}
    return None, Event("run_reported", now, entry.run.run_id, payload)


def expire(entry: StoredRun, now: float, *, max_lost: int) -> tuple[StoredRun, Event] | None:
    """Take back a run whose lease has run out; after so many, it is abandoned.

    A lease that lasts on longer than it was given for was given before the clock was set back; it
    is anchored anew, and lasts what it was given for from now.
    """
    if not entry.holder:
        return None
    if entry.is_held(now):
        lasts = entry.lease_seconds
        if lasts is None or entry.expires_at is None or entry.expires_at - now <= lasts + 1:
            return None
        payload = {"worker_id": entry.holder, "seconds": lasts}
        event = Event("run_lease_anchored", now, entry.run.run_id, payload)
        return replace(entry, expires_at=now + lasts), event
    n_lost = entry.n_lost + 1
    payload = {"worker_id": entry.holder, "n_lost": n_lost}
    if n_lost < max_lost:
        run, kind = entry.run.advance("planned"), "run_lost"
    else:
        reason = f"its lease ran out {n_lost} times, last with worker {entry.holder!r}"
        # The cost was a prediction so far; what was spent on lost work nobody knows.
        run = replace(entry.run.advance("abandoned", reason=reason), cost_gpu_hours=0.0)
        kind, payload = "run_abandoned", {**payload, "reason": reason}
    return _released(entry, run, n_lost=n_lost), Event(kind, now, run.run_id, payload)


def give_back(entry: StoredRun, now: float, *, reason: str, worker_id: str = "") -> Change | None:
    """Return a run to the planned ones, uncounted; an abandoned one starts its count anew."""
    run = entry.run
    if run.status == "planned":
        return None
    if worker_id:
        _check_holder(entry, worker_id)
    payload = {"reason": reason, "worker_id": entry.holder}
    event = Event("run_requeued", now, run.run_id, payload)
    n_lost = 0 if run.status == "abandoned" else entry.n_lost
    return _released(entry, run.advance("planned"), n_lost=n_lost), event


def conclude(entry: StoredRun, now: float, *, result: JobResult, worker_id: str) -> Change | None:
    """End a run with a result.

    Of two results the first stands; the other, and the failure of a worker that lost the run to
    another, are kept as events and paid. A result from a worker that does not hold the run any
    more is late, and as good as any.
    """
    run, digest = entry.run, result_hash(result)
    if run.record.get("result_hash") == digest:
        return None
    cost = result.seconds / 3600
    is_held = entry.is_held(now)
    was_leased = bool(entry.holder) or entry.n_lost > 0
    is_late = bool(worker_id) and was_leased and not (is_held and entry.holder == worker_id)
    is_stale = is_late and is_held and result.status == "failed"
    payload: dict[str, Any] = {"worker_id": worker_id or entry.holder, "cost_gpu_hours": cost}
    if (run.is_ended and run.status != "abandoned") or is_stale:
        payload |= {"result_hash": digest, "result": asdict(result)}
        kept = replace(entry, extra_gpu_hours=entry.extra_gpu_hours + cost)
        return kept, Event("run_result_ignored", now, run.run_id, payload)
    run = run.conclude(result)
    run = replace(run, record={**run.record, "result_hash": digest})
    payload |= {"loss_nats": run.loss_nats, "reason": run.reason, "is_late": is_late}
    ended = replace(_released(entry, run, n_lost=0), is_late=is_late)
    return ended, Event(f"run_{run.status}", now, run.run_id, payload)


def end(
    entry: StoredRun,
    now: float,
    *,
    status: EndedWithout,
    reason: str,
    cost_gpu_hours: float,
    worker_id: str = "",
) -> Change | None:
    """End a run that gives no result, with what it cost."""
    run = entry.run
    if run.status == status and run.reason == reason:
        return None
    if worker_id:
        _check_holder(entry, worker_id)
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


def _check_holder(entry: StoredRun, worker_id: str) -> None:
    run = entry.run
    if entry.holder != worker_id:
        holder = f"held by {entry.holder!r}" if entry.holder else "held by nobody"
        raise LeaseLostError(
            f"run {run.run_id!r} is {run.status} and {holder}, not by {worker_id!r}; stop "
            f"working on it"
        )


def _released(entry: StoredRun, run: Run, *, n_lost: int | None = None) -> StoredRun:
    n_lost = entry.n_lost if n_lost is None else n_lost
    return replace(
        entry,
        run=run,
        holder="",
        leased_at=None,
        expires_at=None,
        lease_seconds=None,
        n_lost=n_lost,
    )
