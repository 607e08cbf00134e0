"""A wall clock that is set back and forth while workers hold leases."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bayeslaw.store import replay
from benchmarks.service.audit import audit, read_ledger
from benchmarks.service.broken_stores import n_server_errors
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.steadfast import Steadfast
from benchmarks.service.studies import lay_plan, study_config

STUDY = "clocks"
OFFSETS_S = (0.0, -3600.0, -3610.0, 0.0, 86_400.0, 0.0)
"""The wall clock in turn [s]: set back an hour, ten seconds more, right, a day ahead, right."""

_DEAD_LEASE_S = 5.0


def set_clocks(folder: Path, *, step_s: float, seed: int = 0) -> dict[str, Any]:
    """Set the clock of a running service back and forth under load.

    Before each step a worker takes a run for five seconds and is never seen again: that run must be
    free after five seconds of real time and no sooner, whatever the clock says, but where the clock
    went ahead.
    """
    service = ServiceProcess(folder / "home", command=("-m", "benchmarks.service.clocked_server"))
    freed_s: list[dict[str, Any]] = []
    with service, ThreadPoolExecutor(1) as pool:
        service.make("/v1/studies", {"config": study_config(STUDY)})
        lay_plan(folder / "home" / "study.db", STUDY, 30_000, seed=seed)
        tokens = service.make_tokens(4)
        crew = Steadfast(str(folder / "crew"), service.port, STUDY, tokens, seed=seed)
        process = crew.begin()
        for number, offset_s in enumerate(OFFSETS_S):
            # One that is never heard of again.
            run_id = _take(service, f"dead-{number}")
            begin = time.perf_counter()
            waiting = pool.submit(_wait_until_free, service, run_id, begin)
            time.sleep(0.5)
            _set(folder / "home" / "offset", offset_s)
            freed_s.append({"offset_s": offset_s, "freed_after_s": waiting.result()})
            time.sleep(step_s)
        counts = crew.end(process)
    address = folder / "home" / "study.db"
    found = audit(address, STUDY, read_ledger(crew.ledger))
    return {
        "steps": freed_s,
        "clients": counts,
        "n_5xx_but_503": n_server_errors(counts),
        "n_lost": len(found.lost),
        "n_doubled": len(found.doubled) + len(found.two_holders) + len(found.refused_but_done),
        "audit": found.figures(),
        "replay_is_equal": replay(address).is_equal,
        "tracebacks_in_log": service.log().count("Traceback"),
    }


def _take(service: ServiceProcess, worker_id: str) -> str:
    body = {"worker_id": worker_id, "lease_s": _DEAD_LEASE_S}
    return service.make(f"/v1/studies/{STUDY}/runs:suggest", body)["runs"][0]["run_id"]


def _set(path: Path, offset_s: float) -> None:
    part = path.with_suffix(".part")
    part.write_text(str(offset_s))
    part.rename(path)


def _wait_until_free(service: ServiceProcess, run_id: str, begin: float) -> float | None:
    """Return when a run was taken from its dead worker [s]; None when it never was."""
    path = f"/v1/studies/{STUDY}/runs/{run_id}"
    n_lost = None
    while time.perf_counter() - begin < 4 * _DEAD_LEASE_S:
        _, run = service.call("GET", path)
        # Somebody may have lost it before.
        n_lost = run["n_lost"] if n_lost is None else n_lost
        if run["n_lost"] > n_lost or run["status"] in ("abandoned", "done"):
            return time.perf_counter() - begin
        time.sleep(0.1)
    return None
