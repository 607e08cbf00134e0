"""Messages that come twice at the same time, again much later, and in the wrong order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

from bayeslaw.store import SqlStore, replay
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.studies import lay_plan, study_config
from benchmarks.service.wire import Reply, Wire, open_wire, request_bytes

STUDY = "deliveries"
_COPIES = 3


def deliver_oddly(folder: Path, *, n_runs: int, seed: int = 0) -> dict[str, Any]:
    """Send every write three times at once over different connections, in any order.

    Each run gets a lease, three heartbeats, three reports and a result, of which copies and order are
    shuffled: a heartbeat after the result, a result before the report. Copies of one write must be
    answered alike or refused, must take effect once, and nothing may bring an ended run back.
    """
    with ServiceProcess(folder / "home") as service:
        service.make("/v1/studies", {"config": study_config(STUDY)})
        lay_plan(folder / "home" / "study.db", STUDY, n_runs + 10, seed=seed)
        tokens = service.make_tokens(1)
        wrong = asyncio.run(_deliver(service.port, tokens[0], n_runs, random.Random(seed)))
    address = folder / "home" / "study.db"
    counts = wrong.pop("counts")
    with SqlStore(address) as store:
        events = Counter((event.kind, event.run_id) for event in store.events(STUDY))
        runs = store.runs(STUDY)
    ended = [entry for entry in runs if entry.run.status == "done"]
    return {
        "n_runs": n_runs,
        "n_sent": sum(counts.values()),
        "answers": dict(counts),
        "n_5xx": sum(n for answer, n in counts.items() if answer[0] == "5"),
        "copies_answered_differently": wrong["different"][:10],
        "n_answered_differently": len(wrong["different"]),
        "n_done": len(ended),
        "n_runs_with_two_results": sum(
            n > 1 for (kind, _), n in events.items() if kind == "run_done"
        ),
        "n_heartbeats_too_many": sum(
            max(0, n - 3) for (kind, _), n in events.items() if kind == "run_heartbeat"
        ),
        "n_reports_too_many": sum(
            max(0, n - 3) for (kind, _), n in events.items() if kind == "run_reported"
        ),
        "n_leases_too_many": sum(
            max(0, n - 1) for (kind, _), n in events.items() if kind == "run_leased"
        ),
        "replay_is_equal": replay(address).is_equal,
    }  # fmt: skip


async def _deliver(port: int, token: str, n_runs: int, chance: random.Random) -> dict[str, Any]:
    wires = [await open_wire("127.0.0.1", port) for _ in range(24)]
    free: asyncio.Queue[Wire] = asyncio.Queue()
    for wire in wires:
        free.put_nowait(wire)
    counts: Counter[str] = Counter()
    different: list[str] = []

    async def send(where: str, body: dict[str, Any], key: str) -> Reply:
        wire = await free.get()
        try:
            request = request_bytes(
                "POST", f"/v1/studies/{STUDY}/{where}", token=token, body=body, key=key
            )
            reply = await wire.ask(request)
        finally:
            free.put_nowait(wire)
        counts[f"{reply.status} {reply.code}".strip()] += 1
        return reply

    async def one(number: int) -> None:
        by = {"worker_id": f"w-{number}"}
        leases = await asyncio.gather(
            *(send("runs:suggest", by, f"lease-{number}") for _ in range(_COPIES))
        )
        _compare(f"lease-{number}", leases, different)
        run = f"runs/{leases[0].json()['runs'][0]['run_id']}"
        messages: list[tuple[str, dict[str, Any], str]] = []
        for i in range(3):
            beat = {**by, "progress": {"step": i}}
            points = {**by, "points": [{"n_tokens": 1 + i, "loss_nats": 3.0}]}
            messages += [(f"{run}:heartbeat", beat, f"beat-{number}-{i}")] * _COPIES
            messages += [(f"{run}:report", points, f"report-{number}-{i}")] * _COPIES
        result = {**by, "loss_nats": 3.0, "cost_gpu_hours": 0.1}
        messages += [(f"{run}:complete", result, f"result-{number}")] * _COPIES
        chance.shuffle(messages)
        replies = await asyncio.gather(*(send(*message) for message in messages))
        by_key: dict[str, list[Reply]] = {}
        for (_, _, key), reply in zip(messages, replies, strict=True):
            by_key.setdefault(key, []).append(reply)
        for key, some in by_key.items():
            _compare(key, some, different)

    begun = 0
    while begun < n_runs:
        some = range(begun, min(begun + 8, n_runs))
        await asyncio.gather(*(one(number) for number in some))
        begun = some.stop
    for wire in wires:
        wire.close()
    return {"counts": counts, "different": different}


def _compare(key: str, replies: list[Reply], different: list[str]) -> None:
    """Note copies that were carried out and answered differently."""
    done = {(reply.status, reply.body) for reply in replies if reply.status < 300}
    if len(done) > 1:
        different.append(f"{key}: {len(done)} different answers")
