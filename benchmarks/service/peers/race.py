"""Drive any contestant through the same loop, with server and load on the same cores."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from bayeslaw.errors import UnavailableError
from benchmarks.service.peers.contestant import Contestant, Load, Serving
from benchmarks.service.peers.processes import cpu_seconds, family, peak_memory_mb

_LOAD_PROCESS = Path(__file__).with_name("load_process.py")


def race(contestant: Contestant, folder: Path, load: Load | None = None) -> dict[str, Any]:
    """Install a contestant, start it, load it, and return what came of it.

    Each worker asks for a run, sends one heartbeat and one intermediate loss, completes the run,
    and asks again. What counts is completed in the window of time, whatever was asked before it.

    Args:
        contestant: Who.
        folder: For its store and logs; emptied first.
        load: How much is asked.

    Returns:
        ``completes_per_s``; ``first_quarter_per_s`` and ``last_quarter_per_s``, which tell whether
        that lasts; ``suggest_p50_ms``, ``suggest_p99_ms``; ``n_errors`` with the commonest
        ``errors``; ``n_acknowledged`` beside ``n_stored`` (all that was completed, warm-up
        included); ``server_rss_mb`` (peak); the shares of a core that server, database and load
        used; ``completes_per_server_cpu_s`` (database included), in which no client has a part;
        whether what was acknowledged outlives the server; and the circumstances.

    Raises:
        UnavailableError: It cannot be installed, did not start, or the load failed.
    """
    load = load or Load()
    versions = contestant.install()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with contestant.serve(folder) as serving:
        crowd = _Crowd(contestant, serving, folder, load)
        try:
            seen = crowd.work()
        finally:
            crowd.end()
    return {
        "name": contestant.name,
        "storage": contestant.storage,
        "is_durable": contestant.is_durable,
        "versions": versions,
        "workers": load.n_workers,
        "load_processes": load.n_processes,
        "duration_s": load.seconds,
        "load_average": os.getloadavg()[0],
        **seen,
    }


class _Crowd:
    """The load processes of one race."""

    def __init__(self, contestant: Contestant, serving: Serving, folder: Path, load: Load) -> None:
        self.serving, self.folder, self.load = serving, folder, load
        share = load.n_workers // load.n_processes
        python, log = str(contestant.python()), (folder / "load.log").open("w")
        self.outs = [folder / f"load-{i}.json" for i in range(load.n_processes)]
        self.processes = [
            subprocess.Popen(
                [
                    python, str(_LOAD_PROCESS), str(contestant.loop), serving.endpoint, str(out),
                    str(i * share), str(load.n_workers if i + 1 == load.n_processes else (i + 1) * share),
                ],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=os.environ | load.environment,
            )
            for i, out in enumerate(self.outs)
        ]  # fmt: skip
        log.close()

    def work(self) -> dict[str, Any]:
        for process in self.processes:
            self._hear(process, "ready", wait_s=120)
        begin = time.monotonic() + self.load.warm_up_s
        end = begin + self.load.seconds
        for process in self.processes:
            self._tell(process, f"{begin} {end}")
        time.sleep(max(0.0, begin - time.monotonic()))
        before, wall = self._cpu(), time.monotonic()
        time.sleep(max(0.0, end - time.monotonic()))
        used = [after - was for after, was in zip(self._cpu(), before, strict=True)]
        wall = time.monotonic() - wall
        memory = peak_memory_mb(family(self.serving.pids[0]))
        for process in self.processes:
            self._hear(process, "worked", wait_s=120)
        self._tell(self.processes[-1], "count")
        n_stored = int(self._hear(self.processes[-1], "", wait_s=300))
        summary = _summary(self.outs, self.load.seconds)
        done = summary["completes_per_s"] * self.load.seconds
        return summary | {
            "n_stored": n_stored,
            "completes_per_server_cpu_s": round(done / (used[0] + used[1]), 1),
            "server_rss_mb": round(memory, 1),
            "server_cpu_share": round(used[0] / wall, 3),
            "database_cpu_share": round(used[1] / wall, 3),
            "load_cpu_share": round(used[2] / wall, 3),
        }

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()

    def _cpu(self) -> tuple[float, float, float]:
        database = [pid for top in self.serving.database_pids for pid in family(top)]
        servers = [pid for top in self.serving.pids for pid in family(top)]
        return (
            cpu_seconds(servers),
            cpu_seconds(database),
            cpu_seconds([process.pid for process in self.processes]),
        )

    def _tell(self, process: subprocess.Popen[str], line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def _hear(self, process: subprocess.Popen[str], word: str, wait_s: float) -> str:
        assert process.stdout is not None
        # A load process that hangs is killed, and then its silence is heard.
        watch = threading.Timer(wait_s, process.kill)
        watch.start()
        line = process.stdout.readline().strip()
        watch.cancel()
        if not line.startswith(word) or not line:
            said = (self.folder / "load.log").read_text()[-2000:]
            raise UnavailableError(f"a load process said {line!r} for {word!r}: {said}")
        return line


def _summary(outs: list[Path], seconds: float) -> dict[str, Any]:
    answers = [json.loads(out.read_text()) for out in outs]
    times = sorted(ms for answer in answers for ms in answer["suggest_ms"])
    completed = [at for answer in answers for at in answer["completed_at"]]
    errors = [item for answer in answers for item in answer["errors"].items()]
    return {
        "completes_per_s": round(len(completed) / seconds, 2),
        "first_quarter_per_s": round(sum(at < seconds / 4 for at in completed) / seconds * 4, 2),
        "last_quarter_per_s": round(
            sum(at >= seconds * 3 / 4 for at in completed) / seconds * 4, 2
        ),
        "suggest_p50_ms": _quantile(times, 0.5),
        "suggest_p99_ms": _quantile(times, 0.99),
        "n_errors": sum(answer["n_errors"] for answer in answers),
        "errors": dict(sorted(errors, key=lambda item: -item[1])[:5]),
        "n_acknowledged": sum(answer["n_acknowledged"] for answer in answers),
    }


def _quantile(ordered: list[float], share: float) -> float | None:
    """Return the nearest rank: no interpolation makes the tail look better than what was seen."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 2)
