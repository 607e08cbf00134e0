"""Runs handed out and taken back, inside a change of the study."""

from __future__ import annotations

from dataclasses import replace

from bayeslaw.store import Change, PlanItem, StoredRun, candidate_key
from bayeslaw.study import leases


def hand_out(
    change: Change,
    now: float,
    *,
    worker_id: str,
    count: int,
    seconds: float,
    max_gpu_hours: float | None = None,
    device: str = "",
) -> list[StoredRun]:
    """Lease runs to a worker, at most ``count``.

    First those it holds already, so that a worker that crashed and asks again leaks nothing; then
    planned ones that wait, oldest first; then the plan's items, each of which becomes a run. An
    item whose architecture and token count some run has already is dropped: the plan was made
    before that run was known.

    Args:
        change: Of the study.
        now: The present time [s since 1970].
        worker_id: Who asks.
        count: Runs wanted [count].
        seconds: How long each lease lasts unless renewed [s].
        max_gpu_hours: What a run may be predicted to take [h]; None for no limit. It does not
            hold for what the worker has already.
        device: What the worker runs on, for the record.
    """
    found = change.held_by(worker_id)[:count]
    if len(found) < count:
        found += change.waiting(count - len(found), max_gpu_hours=max_gpu_hours)
    handed = [_lease(change, entry, now, worker_id, seconds, device) for entry in found]
    while len(handed) < count:
        items = change.next_items(count - len(handed), max_gpu_hours=max_gpu_hours)
        if not items:
            break
        for item in items:
            change.drop_item(item.rank)
            if not change.has_candidate(candidate_key(item.run)):
                run = _begin(change, item)
                handed.append(_lease(change, run, now, worker_id, seconds, device))
    return handed


def take_back(change: Change, now: float, *, max_lost: int, limit: int | None = None) -> list[str]:
    """Take back runs whose lease has run out, and return their names."""
    entries = change.expired(now, limit)
    for entry in entries:
        _expire(change, entry, now, max_lost)
    return [entry.run.run_id for entry in entries]


def anchor(change: Change, now: float, *, max_lost: int) -> None:
    """Let leases that were given before the clock was set back last from now."""
    for entry in change.stretched(now):
        _expire(change, entry, now, max_lost)


def _expire(change: Change, entry: StoredRun, now: float, max_lost: int) -> None:
    expired = leases.expire(entry, now, max_lost=max_lost)
    if expired is not None:
        change.put_run(*expired)


def _begin(change: Change, item: PlanItem) -> StoredRun:
    """Return a run that a plan's item becomes; it is stored by leasing it."""
    run = replace(item.run, run_id=change.new_name(), cost_gpu_hours=item.cost_gpu_hours)
    return StoredRun(run)


def _lease(
    change: Change, entry: StoredRun, now: float, worker_id: str, seconds: float, device: str
) -> StoredRun:
    taken, event = leases.take(entry, now, worker_id=worker_id, seconds=seconds, device=device)
    if entry.version == 0:
        event = replace(event, payload={**event.payload, "purpose": entry.run.purpose})
    change.put_run(taken, event)
    return replace(taken, version=entry.version + 1)
