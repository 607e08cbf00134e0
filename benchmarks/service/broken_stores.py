"""A store that goes away under load: Postgres restarted, a disk that is full."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeslaw.store import replay
from benchmarks.service.audit import audit, read_ledger
from benchmarks.service.databases import Postgres
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.steadfast import Steadfast
from benchmarks.service.studies import lay_plan, study_config

STUDY = "broken"
_DISK_BYTES = 6 * 2**20


def restart_postgres(folder: Path, *, n_restarts: int, seed: int = 0) -> dict[str, Any]:
    """Restart Postgres under load, in good order and by crash in turn; the service stays up."""
    with Postgres(folder / "postgres") as postgres:
        with ServiceProcess(folder / "home", store_url=postgres.url) as service:
            crew = _begin(service, postgres.url, folder, seed=seed, n_items=5_000)
            process = crew.begin()
            for number in range(n_restarts):
                time.sleep(2.0)
                postgres.restart("immediate" if number % 2 else "fast")
            time.sleep(3.0)
            counts = crew.end(process)
            is_ready = service.call("GET", "/readyz", token="")[0] == 200
        return {
            "n_restarts": n_restarts,
            "is_ready_afterwards": is_ready,
            **_verdict(postgres.url, crew, counts, service),
        }


def fill_the_disk(folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Work until the disk under SQLite is full, read meanwhile, then make room and go on."""
    with small_disk(folder / "disk") as (disk, how):
        address = f"sqlite:///{disk / 'study.db'}"
        with ServiceProcess(folder / "home", store_url=address) as service:
            crew = _begin(service, address, folder, seed=seed, n_items=1_000)
            if how != "tmpfs":
                _limit_files(service.pid, _DISK_BYTES)
            process = crew.begin()
            is_full = _wait_until_full(service, 60.0)
            # What is there can still be read.
            reads = [service.call("GET", f"/v1/studies/{STUDY}")[0] for _ in range(20)]
            ready = service.call("GET", "/readyz", token="")[0]
            _make_room(disk, how, service.pid)
            time.sleep(3.0)
            n_done = _n_done(service)
            time.sleep(2.0)
            goes_on = _n_done(service) > n_done
            counts = crew.end(process)
        return {
            "how": how,
            "disk_bytes": _DISK_BYTES,
            "was_full": is_full,
            "reads_while_full": {str(s): reads.count(s) for s in set(reads)},
            "readyz_while_full": ready,
            "went_on_without_a_restart": goes_on,
            **_verdict(disk / "study.db", crew, counts, service),
        }


def _begin(
    service: ServiceProcess, address: str, folder: Path, *, seed: int, n_items: int
) -> Steadfast:
    service.make("/v1/studies", {"config": study_config(STUDY)})
    lay_plan(address, STUDY, n_items, seed=seed)
    tokens = service.make_tokens(4)
    return Steadfast(str(folder / "crew"), service.port, STUDY, tokens, seed=seed)


def _verdict(
    address: str | Path, crew: Steadfast, counts: dict[str, int], service: ServiceProcess
) -> dict[str, Any]:
    found = audit(address, STUDY, read_ledger(crew.ledger))
    return {
        "clients": counts,
        "n_5xx_but_503": n_server_errors(counts),
        "n_lost": len(found.lost),
        "n_doubled": len(found.doubled) + len(found.two_holders) + len(found.refused_but_done),
        "audit": found.figures(),
        "replay_is_equal": replay(address).is_equal,
        "tracebacks_in_log": service.log().count("Traceback"),
    }


def n_server_errors(counts: dict[str, int]) -> int:
    """Count answers from 500 on that are not 503, by status with or without a code.

    >>> n_server_errors({"200": 5, "503 store-unavailable": 3, "500 internal-error": 2})
    2
    """
    return sum(n for answer, n in counts.items() if answer[0] == "5" and answer[:3] != "503")


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give a folder that holds little: a small tmpfs; where one may not mount, a plain folder.

    There a limit on the size of files (``RLIMIT_FSIZE``) takes the disk's place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        yield folder, "RLIMIT_FSIZE"
        return
    try:
        yield folder, "tmpfs"
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def _limit_files(pid: int, n_bytes: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))


def _make_room(disk: Path, how: str, pid: int) -> None:
    if how == "tmpfs":
        size = f"remount,size={_DISK_BYTES * 16}"
        subprocess.run(["mount", "-o", size, str(disk)], check=True)
    else:
        _limit_files(pid, _DISK_BYTES * 16)


def _wait_until_full(service: ServiceProcess, wait_s: float) -> bool:
    """Return whether a write was answered 503 in time; it asks for nothing new."""
    begin = time.perf_counter()
    number = 0
    while time.perf_counter() - begin < wait_s:
        number += 1
        run = {
            "status": "done", "n_tokens": 1, "loss_nats": 3.0, "columns": {"n_params": 1e6},
            "record": {"padding": "x" * 50_000, "mark": f"filler-{os.getpid()}-{number}"},
        }  # fmt: skip
        status, _ = service.call("POST", f"/v1/studies/{STUDY}/runs", {"runs": [run]})
        if status == 503:
            return True
        time.sleep(0.05)
    return False


def _n_done(service: ServiceProcess) -> int:
    _, study = service.call("GET", f"/v1/studies/{STUDY}")
    return int(study["runs"].get("done", 0))
