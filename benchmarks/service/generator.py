"""The load, in a process of its own: workers and readers on one event loop.

python -m benchmarks.service.generator SPEC.json OUT.json
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError
from benchmarks.service.crew import Crew
from benchmarks.service.latencies import Latencies, quantiles_ms
from benchmarks.service.readers import Readers

_ROOT = Path(__file__).parents[2]


def generate(
    folder: Path,
    *,
    seconds: float,
    warm_up_s: float,
    crew: dict[str, Any] | None = None,
    readers: dict[str, Any] | None = None,
    run_ids: list[str] | None = None,
) -> dict[str, Any]:
    """Put a load on a service from another process, and return what it saw.

    Args:
        folder: For the specification and the answer.
        seconds: That are measured [s].
        warm_up_s: Before that [s].
        crew: Fields of a `Crew`; no workers when None.
        readers: Fields of `Readers`; nobody reads when None.
        run_ids: Runs to read before any is completed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec, out = folder / "spec.json", folder / "seen.json"
    out.unlink(missing_ok=True)
    spec.write_text(
        json.dumps(
            {
                "seconds": seconds,
                "warm_up_s": warm_up_s,
                "crew": crew,
                "readers": readers,
                "run_ids": run_ids or [],
            }
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.service.generator", str(spec), str(out)],
        cwd=_ROOT, capture_output=True, text=True, timeout=seconds + warm_up_s + 120, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise UnavailableError(f"the load generator failed:\n{done.stderr[-3000:]}")
    return json.loads(out.read_text())


async def _run(spec: dict[str, Any]) -> dict[str, Any]:
    begin = time.perf_counter() + spec["warm_up_s"]
    end = begin + spec["seconds"]
    work, read = Latencies(begin, end), Latencies(begin, end)
    run_ids: list[str] = list(spec["run_ids"])
    crew = Crew(**spec["crew"]) if spec["crew"] else None
    readers = Readers(**spec["readers"]) if spec["readers"] else None
    lags: list[float] = []
    watching = asyncio.create_task(_watch_itself(lags))
    jobs: list[Any] = []
    if crew is not None:
        jobs.append(crew.work(work, run_ids))
    if readers is not None:
        jobs.append(readers.read(read, run_ids))
    results = await asyncio.gather(*jobs)
    watching.cancel()
    used = resource.getrusage(resource.RUSAGE_SELF)
    wall_s = time.perf_counter() - begin + spec["warm_up_s"]
    seen: dict[str, Any] = {
        "seconds": spec["seconds"],
        "generator": {
            # Its start is counted too; the share is of one core.
            "cpu_share": (used.ru_utime + used.ru_stime) / wall_s,
            "lag": quantiles_ms(lags),
        },
    }
    if crew is not None:
        others = results[0]
        completed = sorted(at for at in others["completed_at"] if begin <= at < end)
        seen["workers"] = work.summary()
        seen["completes_per_s"] = len(completed) / spec["seconds"]
        seen["completes_each_s"] = _each_second(completed, begin, spec["seconds"])
        seen["n_waited_for_a_plan"] = others["n_waited_for_a_plan"]
        seen["errors"] = others["errors"][:20]
        seen["n_errors"] = len(others["errors"])
    if readers is not None:
        seen["reads"] = read.summary()
        seen["all_reads"] = quantiles_ms(read.all())
    return seen


async def _watch_itself(lags: list[float]) -> None:
    """Note by how much this process is late: that much of a latency is its own."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.02)
        lags.append(time.perf_counter() - before - 0.02)


def _each_second(times: list[float], begin: float, seconds: float) -> dict[str, float]:
    counts = [0] * max(1, int(seconds))
    for at in times:
        if (second := int(at - begin)) < len(counts):
            counts[second] += 1
    return {"min": min(counts), "median": statistics.median(counts), "max": max(counts)}


def main(spec_path: str, out_path: str) -> None:
    """Carry out a specification."""
    import uvloop

    spec = json.loads(Path(spec_path).read_text())
    Path(out_path).write_text(json.dumps(uvloop.run(_run(spec))))


if __name__ == "__main__":
    main(*sys.argv[1:])
