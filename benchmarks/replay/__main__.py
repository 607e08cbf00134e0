"""How many architectures must be tried to know the trade-off of perplexity and latency?

python -m benchmarks.replay --data DIR [--devices A B] [--quick] --json OUT

HW-GPT-Bench at scale s, a pool for each width and device. It says nothing of scaling laws: all
perplexities are of subnets that share one supernet's weights, at one scale.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import run_benchmark
from benchmarks.peers.optimiser import PINS, install, is_installed
from benchmarks.replay.cells import GOAL, Cell, cell_path, fill_cell, read_cell
from benchmarks.replay.front import front_rows, nadir
from benchmarks.replay.methods import METHODS, PEERS
from benchmarks.replay.pools import Pool, devices_in, read_pools
from benchmarks.replay.scores import by_key, paired_ratio, pooled

N_ASKS, N_SEEDS = 150, 3
DEVICES = ("a100", "rtx2080")
"""Where the table has them: a steady device and a restless one; else its first two."""

SLOW_CELLS = {"ax": 2, "botorch_qlognehvi": 3, "optuna_gp": 3}
"""Cells that a peer runs which takes seconds an ask: the first device's, width after width."""

LIMIT_S = 7200.0
_QUICK_ASKS, _QUICK_LIMIT_S = 40, 120.0
_HEADERS = (
    "method",
    "cells",
    "to 95 %",
    "to 99 %",
    "censored",
    "ours/theirs 99 %",
    "95 %",
    "s/ask",
)


def measure(
    quick: bool,
    folder: Path,
    data: Path,
    devices: Sequence[str] | None = None,
    seeds: int | None = None,
    peer_minutes: float | None = None,
    recorded: bool = False,
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Fill the cells that are not kept yet, and pool them; with ``recorded`` only pool what is kept."""
    os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    if not is_installed() and not recorded:
        install()
    if not devices:
        there = devices_in(data)
        devices = [d for d in DEVICES if d in there] or there[:2]
    n_seeds = seeds or (1 if quick else N_SEEDS)
    n_asks = _QUICK_ASKS if quick else N_ASKS
    limit_s = 60 * peer_minutes if peer_minutes else _QUICK_LIMIT_S if quick else LIMIT_S
    pools = read_pools(data, devices)
    # The first device's cells first, so that a slow peer's few are of all widths.
    ordered = [
        (pool, seed)
        for seed in range(n_seeds)
        for device in devices
        for pool in reversed(pools)
        if pool.name.endswith(f"-{device}")
    ]
    jobs = [
        (pool, method, seed, n_asks, limit_s, cell_path(folder, pool, method, seed))
        for method in METHODS
        for pool, seed in ordered[: (1 if quick else SLOW_CELLS[method]) if method in SLOW_CELLS else None]
    ]  # fmt: skip
    if not recorded:
        _fill(jobs, os.cpu_count() or 1)
    cells = {
        method: [read_cell(job[-1]) for job in jobs if job[1] == method and job[-1].exists()]
        for method in METHODS
    }
    content = summarise(cells, n_asks, n_all=len(ordered))
    content["pools"] = {
        pool.name: {"rows": len(pool), "front": len(front_rows(pool.values)),
                    "reference_point": nadir(pool.values).tolist()}
        for pool in pools
    }  # fmt: skip
    content["protocol"] |= {
        "devices": list(devices), "seeds": n_seeds, "limit_s": limit_s, "versions": PINS,
    }  # fmt: skip
    return content, _rows(content)


def summarise(cells: dict[str, list[Cell]], n_asks: int, n_all: int) -> dict[str, Any]:
    """Return the figures of every method, and ours over each peer's."""
    ours = by_key(cells["ours"])
    others = [method for method in METHODS if method != "ours"]
    ratios = {
        method: {
            name: paired_ratio(ours, by_key(cells[method]), share)
            for name, share in (("to_95", 0.95), ("to_99", GOAL))
        }
        for method in others
    }
    known = [r for m in PEERS if (r := ratios[m]["to_99"]["ratio"]) is not None]
    devices = sorted({cell.pool.rpartition("-")[2] for cell in cells["ours"]})
    return {
        "pooled": {method: pooled(found, n_asks) for method, found in cells.items() if found},
        "ratio_to_best_peer": max(known, default=None),
        "paired": ratios,
        "by_device": {
            device: {
                method: pooled(some, n_asks)
                for method, found in cells.items()
                if (some := [cell for cell in found if cell.pool.endswith(f"-{device}")])
            }
            for device in devices
        },
        "recorded": {m: f"{len(found)} of {n_all} cells" for m, found in cells.items() if len(found) < n_all},
        "cells": {
            method: [
                {
                    "pool": cell.pool, "seed": cell.seed, "asks": len(cell.rows),
                    "evaluations_to_95": cell.evaluations_to(0.95),
                    "evaluations_to_99": cell.evaluations_to(GOAL),
                    "last_share": cell.shares[-1], "seconds": sum(cell.seconds),
                }
                for cell in found
            ]
            for method, found in cells.items()
        },
        "protocol": {
            "asks": n_asks,
            "hypervolume": "of (perplexity, median latency), both minimised, as a share of the pool's "
            "own true front; the reference point is that front's nadir",
            "end": "a cell ends at 99 %, at its last ask or at its time limit; asks says how many it made",
            "says": "nothing of scaling laws: the perplexities are of one supernet's subnets",
            "paired": "geometric mean over cells that both have; cells where neither gets there are "
            "left out",
        },
    }  # fmt: skip


def _fill(jobs: Sequence[tuple[Pool, str, int, int, float, Path]], n_workers: int) -> None:
    todo = [
        job
        for job in jobs
        if not job[-1].exists() or not read_cell(job[-1]).is_ended(job[3], job[4])
    ]
    if not todo:
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(
        n_workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    ) as workers:
        waiting = [workers.submit(fill_cell, *job) for job in todo]
        for n, done in enumerate(as_completed(waiting)):
            print(f"{n + 1} of {len(todo)}: {done.result().stem}", flush=True)


def _rows(content: dict[str, Any]) -> list[list[Any]]:
    rows = []
    for method, found in content["pooled"].items():
        ratios = content["paired"].get(method)
        both = ["-", "-"]
        if ratios is not None:
            both = [
                "-" if r["ratio"] is None else f"{r['ratio']:.2f}"
                for r in (ratios["to_99"], ratios["to_95"])
            ]
        rows.append(
            [method, found["cells"], f"{found['evaluations_to_95']:.0f}",
             f"{found['evaluations_to_99']:.0f}", found["censored"], *both,
             f"{found['seconds_an_ask']:.2g}"]
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    run_benchmark(
        "replay",
        measure,
        _HEADERS,
        __doc__ or "",
        {
            "data": {"type": Path, "required": True, "help": "folder of the public tables"},
            "devices": {"nargs": "+", "help": f"two of the table's devices; {DEVICES} if left out"},
            "seeds": {"type": int, "help": f"of every method; {N_SEEDS} if left out"},
            "recorded": {"action": "store_true", "help": "pool the cells that are kept, run none"},
            "peer_minutes": {"type": float, "help": "limit of a cell; 120 if left out"},
        },
    )
