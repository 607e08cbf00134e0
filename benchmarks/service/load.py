"""Two hundred workers and 150 reads a second on a service with nothing to wait for but itself."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError
from benchmarks.service.databases import database
from benchmarks.service.generator import generate
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.studies import lay_plan, study_config

STUDY = "load"
N_WORKERS = 200
CYCLE_S = 4.0
"""Time that a paced worker takes for a run [s]: with 200 of them 50 runs and 200 writes a second."""

READS_PER_S = 150.0
_WARM_UP_S = 3.0
# Each token is limited to 1000 requests a second.
_N_TOKENS = 8
# More than any server here completes [1/s].
_MOST_PER_S = 600


def measure_load(backend: str, folder: Path, *, seconds: float, seed: int = 0) -> dict[str, Any]:
    """Measure a service without planners, whose plan was laid beforehand and lasts.

    ``saturated``: each worker sends its next request as soon as the last is answered: what the
    service sustains. A latency is then the time that 200 workers queue for one another.
    ``paced``: each worker takes 4 s for a run, and readers ask 150 times a second beside them.
    ``reads_alone``: readers only.
    """
    with database(backend, folder / "postgres") as url:
        with ServiceProcess(folder / "home", store_url=url) as service:
            service.make("/v1/studies", {"config": study_config(STUDY)})
            address = url or folder / "home" / "study.db"
            lay_plan(address, STUDY, int(_MOST_PER_S * (seconds + _WARM_UP_S)), seed=seed)
            tokens = service.make_tokens(_N_TOKENS)
            parts: dict[str, tuple[float | None, float]] = {
                "saturated": (0.0, 0.0),
                "paced": (CYCLE_S, READS_PER_S),
                "reads_alone": (None, READS_PER_S),
            }
            found = {
                part: put_load(
                    service, STUDY, tokens, folder / part, seconds,
                    cycle_s=cycle_s, reads_per_s=reads_per_s,
                )
                for part, (cycle_s, reads_per_s) in parts.items()
            }  # fmt: skip
            return {
                "backend": backend,
                "start_s": service.last_start_s,
                **found,
                "tracebacks_in_log": service.log().count("Traceback"),
            }


def measure_with_planner(
    folder: Path, *, acquisition: str, n_workers: int, cycle_s: float, seconds: float
) -> dict[str, Any]:
    """Measure a service whose own planner keeps the plan ahead, on SQLite, at a scheduler's pace."""
    with ServiceProcess(folder / "home", n_planners=1) as service:
        service.make("/v1/studies", {"config": study_config(STUDY, acquisition)})
        begin = time.perf_counter()
        n_ready = _wait_for_plan(service, 240.0)
        planned_s = time.perf_counter() - begin
        tokens = service.make_tokens(_N_TOKENS)
        found = put_load(
            service, STUDY, tokens, folder / "paced", seconds,
            cycle_s=cycle_s, n_workers=n_workers, reads_per_s=10.0,
        )  # fmt: skip
        _, diagnostics = service.call("GET", f"/v1/studies/{STUDY}/diagnostics")
        _, study = service.call("GET", f"/v1/studies/{STUDY}")
        return {
            "acquisition": acquisition,
            "n_workers": n_workers,
            "first_plan_after_s": planned_s,
            "n_ready_at_first": n_ready,
            "paced": found,
            "plan_at_the_end": study["plan"],
            "runs_at_the_end": study["runs"],
            "planner": diagnostics.get("planner"),
            "tracebacks_in_log": service.log().count("Traceback"),
        }


def put_load(
    service: ServiceProcess,
    study_id: str,
    tokens: list[str],
    folder: Path,
    seconds: float,
    *,
    cycle_s: float | None = None,
    reads_per_s: float = 0.0,
    n_workers: int = N_WORKERS,
) -> dict[str, Any]:
    """Put a load on a service, and return what the clients and the server's own process saw.

    Args:
        service: Which runs.
        study_id: That is worked on.
        tokens: Shared.
        folder: For the generator's files; its name goes into workers' names.
        seconds: That are measured [s].
        cycle_s: See `Crew`; nobody works when None.
        reads_per_s: See `Readers`; nobody reads when 0 [1/s].
        n_workers: At one time [count].
    """
    shared = {"port": service.port, "study_id": study_id, "tokens": tokens}
    name = f"{folder.name}-{time.time_ns() % 10**9}"
    crew = {**shared, "n_workers": n_workers, "cycle_s": cycle_s, "name": name}
    before, begin = service.usage(), time.perf_counter()
    seen = generate(
        folder,
        seconds=seconds,
        warm_up_s=max(_WARM_UP_S, cycle_s or 0.0),
        crew=None if cycle_s is None else crew,
        readers={**shared, "per_s": reads_per_s} if reads_per_s else None,
    )
    after = service.usage()
    wall_s = time.perf_counter() - begin
    n_requests = sum(found["n"] for found in seen.get("workers", {}).values())
    n_requests += seen.get("all_reads", {}).get("n", 0)
    share = (after.cpu_s - before.cpu_s) / wall_s
    return {
        **seen,
        "requests_per_s": n_requests / seconds,
        "server": {
            "cpu_share": share,
            "cpu_ms_a_request": 1e3 * share / max(1e-9, n_requests / seconds),
            "resident_mb": round(after.resident_bytes / 1e6, 1),
            "n_files": after.n_files,
        },
        "load_average": os.getloadavg()[0],
    }


def _wait_for_plan(service: ServiceProcess, wait_s: float) -> int:
    begin = time.perf_counter()
    while time.perf_counter() - begin < wait_s:
        _, study = service.call("GET", f"/v1/studies/{STUDY}")
        if study["plan"]["n_ready"]:
            return int(study["plan"]["n_ready"])
        time.sleep(0.5)
    raise UnavailableError(f"no plan within {wait_s:.0f} s:\n{service.log()[-3000:]}")
