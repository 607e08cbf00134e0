"""How long does it take to say which runs to do next, beside Ax and Optuna?

python -m benchmarks.suggest_speed [--quick] --json OUT
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import run_benchmark
from benchmarks.peers.optimiser import PINS, Optimiser, install, is_installed
from benchmarks.suggest_speed import task

HEADLINE_RUNS, HEADLINE_POOL = 200, 2048
PEERS = ("ax", "optuna_gp")
N_PEER_REPEATS = 2
_HEADERS = ("who", "runs", "pool", "p50 s", "p95 s", "CPU s", "MB more")


def measure(quick: bool, folder: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """Time ours over runs and pools, then the peers; each in a process of its own, one thread.

    Cells are kept in the folder, each with the load that the machine had; delete them to time anew.
    """
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    if not is_installed():
        install()
    sizes = (20, 2000) if quick else (20, 50, 500, 2000)
    pools = (2**9, 2**11, 2**14) if quick else (2**9, 2**11, 2**13, 2**14, 2**16, 2**18, 2**20)
    repeats = 5 if quick else 20
    curve = _kept(folder / "ours-headline.json", lambda: _ours(HEADLINE_RUNS, repeats, pools))
    for n_runs in sizes:
        path = folder / f"ours-{n_runs}.json"
        curve += _kept(path, lambda n=n_runs: _ours(n, repeats, (HEADLINE_POOL,)))
    for name in PEERS:
        curve += _kept(
            folder / f"{name}.json", lambda p=name: [time_peer(p, HEADLINE_RUNS, N_PEER_REPEATS)]
        )
    return summarise(curve), [
        [row["who"], row["n_runs"], row["n_pool"] or "-"]
        + [f"{row[name]:.3g}" for name in ("p50_s", "p95_s")]
        + [f"{statistics.median(row['cpu_seconds']):.3g}", round(row["peak_growth_mb"] or 0) or "-"]
        for row in curve
    ]


def summarise(curve: list[dict[str, Any]]) -> dict[str, Any]:
    """Return headline, ratios and how time grows with the pool.

    ``pool_exponent`` is the slope of log seconds in log pool size over pools that are larger than what
    is scored one by one: 1 is linear.
    """

    def at(who: str) -> dict[str, Any]:
        rows = [r for r in curve if r["who"] == who and r["n_runs"] == HEADLINE_RUNS]
        return next(r for r in rows if r["n_pool"] in (HEADLINE_POOL, None))

    ours, ax, optuna = at("ours"), at("ax"), at("optuna_gp")
    large = [r for r in curve if r["who"] == "ours" and (r["n_pool"] or 0) >= 2**16]
    exponent = None
    if len(large) > 1:
        logs = np.log([[row["n_pool"], row["p50_s"]] for row in large])
        exponent = float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])
    return {
        "headline": {
            "ours_p50_s": ours["p50_s"],
            "ours_p95_s": ours["p95_s"],
            "ax_s": ax["p50_s"],
            "optuna_gp_s": optuna["p50_s"],
            "ours_over_ax": ours["p50_s"] / ax["p50_s"],
            "ours_cpu_s": statistics.median(ours["cpu_seconds"]),
            "ours_p95_cpu_s": float(np.quantile(ours["cpu_seconds"], 0.95)),
            "ax_cpu_s": statistics.median(ax["cpu_seconds"]),
            "optuna_gp_cpu_s": statistics.median(optuna["cpu_seconds"]),
        },
        "pool_exponent": exponent,
        "protocol": {
            "n_asked": task.N_ASKED,
            "n_pending": task.N_PENDING,
            "n_runs": HEADLINE_RUNS,
            "n_pool": HEADLINE_POOL,
            "ours": "plan(), target_lookahead, from fitted beliefs; the first call, which draws "
            "the target, is first_s",
            "peers": "the whole ask, which fits its models; telling is not timed",
            "versions": PINS,
        },
        "curve": curve,
    }


def time_peer(name: str, n_runs: int, repeats: int) -> dict[str, Any]:
    """Time asks of a peer after a first one, each when what was asked before has been told."""
    parameters = task.draw_parameters(n_runs, seed=0)
    waiting = task.draw_parameters(task.N_PENDING, seed=100)
    seconds, cpu = [], []
    with Optimiser(
        name, space=task.SPACE, objectives=task.OBJECTIVES, limits=task.LIMITS, seed=0
    ) as peer:
        told = task.outcomes([task.candidate(p) for p in parameters], seed=0)
        peer.tell([{"parameters": p, "values": v} for p, v in zip(parameters, told, strict=True)])
        peer.wait([{"parameters": p} for p in waiting])
        for repeat in range(repeats + 1):
            asked = peer.ask(task.N_ASKED)
            seconds.append(peer.seconds)
            cpu.append(peer.cpu_seconds)
            found = task.outcomes([task.candidate(a["parameters"]) for a in asked], seed=repeat)
            peer.tell([{**a, "values": v} for a, v in zip(asked, found, strict=True)])
    return {
        "who": name,
        "n_runs": n_runs,
        "n_pool": None,
        "first_s": seconds[0],
        "seconds": seconds[1:],
        "cpu_seconds": cpu[1:],
        "p50_s": float(np.quantile(seconds[1:], 0.5)),
        "p95_s": float(np.quantile(seconds[1:], 0.95)),
        "peak_growth_mb": None,
        "load_average": os.getloadavg()[0],
    }


def _ours(n_runs: int, repeats: int, pools: tuple[int, ...]) -> list[dict[str, Any]]:
    rows = []
    small = [str(pool) for pool in pools if pool <= 2**14]
    large = [str(pool) for pool in pools if pool > 2**14]
    for some, times in ((small, repeats), (large, min(repeats, 3))):
        if not some:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.suggest_speed.worker", str(n_runs), str(times), *some],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"the worker failed: {done.stderr.strip()[-2000:]}")
        rows += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [{"who": "ours", **row, "load_average": os.getloadavg()[0]} for row in rows]


def _kept(path: Path, find: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if not path.exists():
        start = time.perf_counter()
        rows = find()
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)
        path.write_text(json.dumps(rows))
    return json.loads(path.read_text())


if __name__ == "__main__":
    run_benchmark("suggest_speed", measure, _HEADERS, __doc__ or "")
