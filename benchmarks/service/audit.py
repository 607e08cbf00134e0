"""What was acknowledged, held against what the store says happened."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bayeslaw.store import Event, SqlStore, candidate_key
from benchmarks.service.steadfast import LEASE_S, ZOMBIE_LEASE_S, _as_number

# Two clocks are compared: the server's now, and its own before it was killed.
_TOLERANCE_S = 0.1
_RELEASES = {"run_lost", "run_abandoned", "run_requeued", "run_done", "run_failed", "run_stopped"}


@dataclass
class Audit:
    """Hold what an audit found.

    Attributes:
        n_acknowledged: Writes that were answered 2xx [count].
        n_refused: Writes that were answered 4xx [count].
        n_repeated: Acknowledged writes that had to be sent more than once [count].
        lost: Acknowledged writes of which the store knows nothing.
        doubled: Writes that took effect twice, runs that ended twice or were made twice.
        refused_but_done: Writes that were refused and took effect all the same.
        two_holders: Runs leased while another worker's lease was live.
        n_leases: Given [count].
        n_lost_leases: That ran out [count].
        n_late: Results that came after the lease was lost [count].
        n_ignored: Results that came second [count].
    """

    n_acknowledged: int = 0
    n_refused: int = 0
    n_repeated: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    refused_but_done: list[str] = field(default_factory=list)
    two_holders: list[str] = field(default_factory=list)
    n_leases: int = 0
    n_lost_leases: int = 0
    n_late: int = 0
    n_ignored: int = 0

    def figures(self) -> dict[str, Any]:
        """Return counts, and the first of each list."""
        found = asdict(self)
        return {
            name: value if not isinstance(value, list) else {"n": len(value), "first": value[:10]}
            for name, value in found.items()
        }


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """Return what `steadfast` noted."""
    with path.open() as lines:
        return [json.loads(line) for line in lines]


def audit(address: str | Path, study_id: str, ledger: Sequence[Mapping[str, Any]]) -> Audit:
    """Hold a ledger against the events and runs of a store.

    Args:
        address: Of the store.
        study_id: The study that was worked on.
        ledger: From `read_ledger`.
    """
    with SqlStore(address) as store:
        found = Audit()
        marks: Counter[str] = Counter()
        _check_events(_all_events(store, study_id), marks, found)
        names: Counter[str] = Counter()
        for entry in store.runs(study_id):
            # A result's mark is in the run itself: the event names only its loss.
            if entry.run.status == "done":
                kind = "add" if entry.run.purpose == "imported" else "result"
                marks[f"{kind} {entry.run.record.get('mark')}"] += 1
            if key := candidate_key(entry.run):
                names[key] += 1
        found.doubled += [f"candidate {key} has {n} runs" for key, n in names.items() if n > 1]
    _check_ledger(ledger, marks, found)
    return found


def _check_ledger(
    ledger: Iterable[Mapping[str, Any]], marks: Mapping[str, int], found: Audit
) -> None:
    for line in ledger:
        expected = _expected(line)
        if line["status"] >= 300:
            found.n_refused += 1
            done = [mark for mark in _possible(line) if marks.get(mark, 0)]
            found.refused_but_done += [f"{mark}: {line['status']} {line['code']}" for mark in done]
            continue
        found.n_acknowledged += 1
        found.n_repeated += line["n_sent"] > 1
        for mark, n in expected.items():
            if marks.get(mark, 0) < n and not _was_done_before(line):
                found.lost.append(f"{line['where']} {mark}")
            elif marks.get(mark, 0) > n:
                found.doubled.append(f"{line['where']} {mark}: {marks[mark]} times")


def _was_done_before(line: Mapping[str, Any]) -> bool:
    """Whether a run was given back that had been taken back already, so nothing was left to do."""
    run = line["answer"].get("run", {})
    return line["where"].endswith(":requeue") and run["status"] == "planned" and run["n_lost"] > 0


def _expected(line: Mapping[str, Any]) -> dict[str, int]:
    """Return how often each mark must be found, for an acknowledged write."""
    where, mark, answer = line["where"], line["mark"], line["answer"]
    if where == "runs:suggest":
        return {f"lease {mark}": len(answer.get("runs", []))}
    if where == "runs":
        return {f"add {mark}/{i}": 1 for i in range(len(json.loads(line["body"])["runs"]))}
    verb = where.rpartition(":")[2]
    if mark.endswith("-again"):
        # The write it repeats is in the ledger too.
        return {}
    if verb == "report":
        return {f"report {_as_number(mark)}": 1}
    kind = {"complete": "result", "fail": "failure"}.get(verb, verb)
    return {f"{kind} {mark}": 1}


def _possible(line: Mapping[str, Any]) -> list[str]:
    """Return marks that must not be found, for a refused write."""
    mark = line["mark"]
    if mark.endswith("-again"):
        return []
    if line["where"] == "runs":
        return [f"add {mark}/0"]
    verb = line["where"].rpartition(":")[2]
    if verb == "report":
        return [f"report {_as_number(mark)}"]
    kind = {"suggest": "lease", "complete": "result", "fail": "failure"}.get(verb, verb)
    return [f"{kind} {mark}"]


def _check_events(events: Iterable[Event], marks: Counter[str], found: Audit) -> None:
    """Walk through what happened: count marks, and follow who holds which run until when."""
    holders: dict[str, tuple[str, float]] = {}
    ends: dict[str, int] = defaultdict(int)
    for event in events:
        payload, run_id = event.payload, event.run_id
        match event.kind:
            case "run_leased":
                found.n_leases += 1
                marks[f"lease {payload.get('device')}"] += 1
                worker = payload["worker_id"]
                holder, until = holders.get(run_id, (worker, 0.0))
                if holder != worker:
                    found.two_holders.append(
                        f"{run_id}: {worker} at {event.at:.2f}, {holder} until {until:.2f}"
                    )
                if ends[run_id]:
                    found.doubled.append(f"{run_id} was leased after it had ended")
                holders[run_id] = worker, event.at + payload["seconds"]
            case "run_heartbeat":
                marks[f"heartbeat {payload['progress'].get('mark')}"] += 1
                worker = payload["worker_id"]
                if holders.get(run_id, ("", 0.0))[0] != worker:
                    found.two_holders.append(f"{run_id}: heartbeat of {worker}, not its holder")
                holders[run_id] = worker, event.at + _lease_s(worker)
            case "run_lease_anchored":
                # The clock was set back; the lease lasts what it was given for from now.
                holders[run_id] = payload["worker_id"], event.at + payload["seconds"]
            case "run_reported":
                marks[f"report {payload['points'][0].get('step')}"] += 1
            case "run_result_ignored":
                found.n_ignored += 1
                result = payload["result"]
                if result["status"] == "failed":
                    marks[f"failure {result['reason']}"] += 1
                marks[f"result {result['record'].get('mark')}"] += 1
            case "run_requeued":
                marks[f"requeue {payload['reason']}"] += 1
            case "run_failed":
                marks[f"failure {payload['reason']}"] += 1
        if event.kind in ("run_lost", "run_abandoned"):
            found.n_lost_leases += 1
            holder, until = holders.get(run_id, ("", 0.0))
            if event.at < until - _TOLERANCE_S:
                found.two_holders.append(
                    f"{run_id}: taken from {holder} {until - event.at:.2f} s too early"
                )
        if event.kind in ("run_done", "run_failed"):
            found.n_late += bool(payload.get("is_late"))
            ends[run_id] += 1
            if ends[run_id] > 1:
                found.doubled.append(f"{run_id} ended {ends[run_id]} times")
        if event.kind in _RELEASES:
            holders.pop(run_id, None)


def _lease_s(worker_id: str) -> float:
    return ZOMBIE_LEASE_S if worker_id.startswith("zombie") else LEASE_S


def _all_events(store: SqlStore, study_id: str) -> Iterator[Event]:
    since = 0
    while some := store.events(study_id, since=since, limit=5000):
        yield from some
        since = some[-1].seq
