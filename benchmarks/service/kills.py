"""Kill -9 of the server at random moments under load; then everything acknowledged is looked for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayeslaw.store import replay
from benchmarks.service.audit import audit, read_ledger
from benchmarks.service.databases import database
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.steadfast import Steadfast
from benchmarks.service.studies import lay_plan, study_config
from benchmarks.service.wire import open_wire, request_bytes

STUDY = "kills"
# One kill in so many falls into the server's start, before it answers anybody.
_IN_START_EVERY = 8
_MOST_REPEATED = 3000


def measure_kills(
    backend: str, folder: Path, *, n_kills: int, n_planner_kills: int, seed: int = 0
) -> dict[str, Any]:
    """Kill a service many times under load, and hold what it acknowledged against its store.

    Args:
        backend: Its database.
        folder: For everything; emptied by whoever made it.
        n_kills: Of a server without planners, whose plan was laid beforehand [count].
        n_planner_kills: Of a server with a planner, which goes with it, or of the planner alone
            in every other one [count].
        seed: Of the moments.
    """
    with database(backend, folder / "postgres") as url:
        service = ServiceProcess(folder / "home", store_url=url)
        address = url or folder / "home" / "study.db"
        with service:
            service.make("/v1/studies", {"config": study_config(STUDY)})
            lay_plan(address, STUDY, 400 * n_kills + 4000, seed=seed)
            tokens = service.make_tokens(4)
            crew = Steadfast(str(folder / "crew"), service.port, STUDY, tokens, seed=seed)
            process = crew.begin()
            begin = time.perf_counter()
            try:
                kills = _kill_servers(service, n_kills, random.Random(seed))
                planners = _kill_planners(service, n_planner_kills, random.Random(seed + 1))
            finally:
                if not service.is_running:
                    service.start()
                counts = crew.end(process)
            seconds = time.perf_counter() - begin
            ledger = read_ledger(crew.ledger)
            repeats = asyncio.run(_repeat(service.port, tokens, ledger, random.Random(seed)))
            exit_status = service.terminate()
        found = audit(address, STUDY, ledger)
        replayed = replay(address)
        return {
            "backend": backend,
            "n_kills": n_kills + planners["n_kills"],
            "seconds": seconds,
            "kills": kills,
            "with_planners": planners,
            "clients": counts,
            "audit": found.figures(),
            "n_lost": len(found.lost),
            "n_doubled": len(found.doubled) + len(found.two_holders) + len(found.refused_but_done),
            "repeats": repeats,
            "replay": {
                "is_equal": replayed.is_equal,
                "n_events": replayed.n_events,
                "differences": list(replayed.differences[:10]),
            },
            "integrity": None if url else _integrity(Path(address)),
            "exit_status_of_a_clean_end": exit_status,
            "tracebacks_in_log": service.log().count("Traceback"),
        }


def _kill_servers(service: ServiceProcess, n_kills: int, chance: random.Random) -> dict[str, Any]:
    starts = []
    for number in range(n_kills):
        if number % _IN_START_EVERY == _IN_START_EVERY - 1:
            # It was started by the kill before; this one comes before it answers.
            time.sleep(chance.uniform(0.0, 0.8) * (starts[-1] if starts else 1.0))
        else:
            service.wait_until_ready()
            starts.append(service.last_start_s)
            time.sleep(chance.uniform(0.0, 1.0))
        service.kill()
        service.start(wait=False)
        if (number + 1) % 25 == 0:
            print(f"{number + 1} kills", flush=True)
    service.wait_until_ready()
    in_order = sorted(starts)
    return {
        "n": n_kills,
        "start_p50_s": in_order[len(in_order) // 2] if starts else None,
        "start_max_s": max(starts, default=None),
    }


def _kill_planners(service: ServiceProcess, n_kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill a server that has a planner, and in every other round the planner alone."""
    orphan_s, planner_only = [], 0
    if not n_kills:
        return {"n_kills": 0}
    service.terminate()
    service.n_planners = 1
    for number in range(n_kills):
        service.start()
        time.sleep(chance.uniform(0.5, 6.0))
        planners = service.descendants()
        if number % 2 and planners:
            # The planner alone: the server must go on, and start another.
            os.kill(chance.choice(planners), signal.SIGKILL)
            planner_only += 1
            time.sleep(chance.uniform(0.2, 2.0))
            planners = service.descendants()
        group = service.pid
        service.kill()
        begin = time.perf_counter()
        while _in_session(group) and time.perf_counter() - begin < 15:
            time.sleep(0.05)
        orphan_s.append(time.perf_counter() - begin)
    service.n_planners = 0
    return {
        "n_kills": n_kills,
        "n_planners_killed_alone": planner_only,
        # Planners are to end by themselves when their server is gone.
        "planner_outlived_server_max_s": max(orphan_s),
    }


def _in_session(session: int) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                return True
    return False


async def _repeat(
    port: int, tokens: list[str], ledger: Sequence[Mapping[str, Any]], chance: random.Random
) -> dict[str, Any]:
    """Send acknowledged writes once more: the answers must be what they were."""
    acknowledged = [line for line in ledger if line["status"] < 300]
    some = chance.sample(acknowledged, min(_MOST_REPEATED, len(acknowledged)))
    different: list[str] = []
    wire = await open_wire("127.0.0.1", port)
    for line in some:
        if not wire.is_open:
            wire = await open_wire("127.0.0.1", port)
        reply = await wire.ask(
            request_bytes(
                "POST",
                f"/v1/studies/{STUDY}/{line['where']}",
                token=tokens[int(line["token"])],
                body=line["body"].encode(),
                key=line["mark"],
            )
        )
        same = reply.status == line["status"] and (
            hashlib.sha256(reply.body).hexdigest() == line["answer_sha256"]
        )
        if not same or reply.headers.get("idempotent-replayed") != "true":
            different.append(
                f"{line['where']} {line['mark']}: {line['status']} then {reply.status}"
            )
    wire.close()
    return {"n": len(some), "n_different": len(different), "first": different[:10]}


def _integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
