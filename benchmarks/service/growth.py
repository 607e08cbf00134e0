"""One study that grows to 10^5 runs: does the service grow with it, or become slower?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.service.databases import database
from benchmarks.service.load import CYCLE_S, READS_PER_S, put_load
from benchmarks.service.service_process import ServiceProcess
from benchmarks.service.studies import lay_plan, some_runs, study_config

STUDY = "growth"
_RUNS_A_REQUEST = 1000


def measure_growth(
    backend: str, folder: Path, *, sizes: tuple[int, ...], seconds: float, seed: int = 0
) -> dict[str, Any]:
    """Fill a study by ``POST .../runs``, and at each size measure the paced load of `load`.

    Args:
        backend: Its database.
        folder: For everything.
        sizes: Runs of the study at which is measured, rising [count].
        seconds: Of each measurement [s].
        seed: Of the plan.
    """
    runs = some_runs(sizes[-1], seed=seed + 1)
    steps = []
    with database(backend, folder / "postgres") as url:
        with ServiceProcess(folder / "home", store_url=url) as service:
            service.make("/v1/studies", {"config": study_config(STUDY)})
            n_planned = int(len(sizes) * (seconds + 10) * 60)
            lay_plan(url or folder / "home" / "study.db", STUDY, n_planned, seed=seed)
            tokens = service.make_tokens(8)
            n_there = 0
            for size in sizes:
                begin = time.perf_counter()
                n_added = 0
                while n_there + n_added < size:
                    first = n_there + n_added
                    some = runs[first : min(first + _RUNS_A_REQUEST, size)]
                    service.make(f"/v1/studies/{STUDY}/runs", {"runs": some})
                    n_added += len(some)
                added_s = time.perf_counter() - begin
                n_there += n_added
                resident = service.usage().resident_bytes
                found = put_load(
                    service, STUDY, tokens, folder / f"at-{size}", seconds,
                    cycle_s=CYCLE_S, reads_per_s=READS_PER_S,
                )  # fmt: skip
                steps.append(
                    {
                        "n_runs": size,
                        "runs_added_per_s": n_added / added_s if n_added else None,
                        "resident_mb_before_load": round(resident / 1e6, 1),
                        "resident_mb_after_load": found["server"]["resident_mb"],
                        "suggest": found["workers"]["suggest"],
                        "complete": found["workers"]["complete"],
                        "reads": found["all_reads"],
                        "reads_by_kind": found["reads"],
                        "server": found["server"],
                        "load_average": found["load_average"],
                    }
                )
                print(
                    f"{backend}, {size} runs: {steps[-1]['resident_mb_after_load']} MB", flush=True
                )
    first, last = steps[0], steps[-1]
    return {
        "backend": backend,
        "steps": steps,
        "resident_mb_grown": last["resident_mb_after_load"] - first["resident_mb_after_load"],
        "reads_p99_ratio": last["reads"]["p99_ms"] / first["reads"]["p99_ms"],
        "suggest_p99_ratio": last["suggest"]["p99_ms"] / first["suggest"]["p99_ms"],
    }
