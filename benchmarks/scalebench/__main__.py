"""ScaleBench: spend a small share of a pool's cost, predict the expensive target.

``ours`` is the library from end to end: every law that a task's columns feed, the default
acquisition. ``paired_*`` fit one law a task by one fitter and differ in the choice of runs alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import run_benchmark
from benchmarks.scalebench.cells import Cell, fill_cell
from benchmarks.scalebench.goals import goals
from benchmarks.scalebench.methods import METHODS
from benchmarks.scalebench.published import ALL_DATA, PUBLISHED, SOURCE
from benchmarks.scalebench.tables import find_tasks
from benchmarks.scalebench.tasks import TASKS

N_SEEDS, N_QUICK_SEEDS = 10, 2

HEADERS = ("task", "method", "R2", "sd", "90 % held", "seconds", "published R2")


def measure(
    quick: bool,
    folder: Path,
    data: Path,
    tasks: Sequence[str] | None,
    workers: int,
    seeds: int | None = None,
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Fill the cells that are missing and gather all.

    Args:
        quick: Two seeds instead of ten.
        folder: Of the cells.
        data: ScaleBench's folder, or the one above it.
        tasks: Of those that are there; all when left out.
        workers: Processes.
        seeds: Of each method; ten, or two when quick, where left out.
    """
    # One thread a worker: shared among threads a small matrix takes longer.
    os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    n_seeds = seeds or (N_QUICK_SEEDS if quick else N_SEEDS)
    folders = find_tasks(data, tasks)
    cells = [
        Cell(task, where, method, seed)
        for seed in range(n_seeds)
        for task, where in folders.items()
        for method in METHODS
    ]
    paths = {cell: cell.path(folder) for cell in cells}
    _fill(paths, workers)
    figures: dict[str, Any] = {
        task: {
            method: _pooled([paths[Cell(task, where, method, seed)] for seed in range(n_seeds)])
            for method in METHODS
        }
        for task, where in folders.items()
    }
    reached = goals(figures)
    figures["goals"] = reached
    figures["published"] = {"source": SOURCE, "r2": PUBLISHED, "all_data_r2": ALL_DATA}
    figures["protocol"] = {
        "n_seeds": n_seeds,
        "workers": workers,
        "checkpoints": {task: TASKS[task].checkpoints for task in folders},
        "law_of_part_a": {task: TASKS[task].law for task in folders},
    }
    return figures, _table(folders, figures)


def _fill(paths: Mapping[Cell, Path], workers: int) -> None:
    todo: dict[Path, Cell] = {}
    for cell, path in paths.items():
        if not path.exists():
            todo.setdefault(path, cell)
    if not todo:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        running = [executor.submit(fill_cell, cell, path) for path, cell in todo.items()]
        for count, future in enumerate(as_completed(running), start=1):
            print(f"{count} of {len(todo)}: {future.result().stem}", flush=True)


def _pooled(paths: Sequence[Path]) -> dict[str, Any]:
    """Return mean and standard deviation over seeds at every checkpoint."""
    cells = [json.loads(path.read_text()) for path in paths]
    by_checkpoint = list(zip(*(cell["checkpoints"] for cell in cells), strict=True))

    def means(name: str) -> list[float | None]:
        found = []
        for rows in by_checkpoint:
            values = [row[name] for row in rows if row[name] is not None]
            found.append(float(np.mean(values)) if values else None)
        return found

    r2 = [[row["r2"] for row in rows] for rows in by_checkpoint]
    return {
        "r2": [float(np.mean(values)) for values in r2],
        "std": [float(np.std(values)) for values in r2],
        "coverage90": means("coverage90"),
        "bias": means("bias"),
        "n_runs": [float(np.mean([sum(row["n_runs"]) for row in rows])) for rows in by_checkpoint],
        "r2_by_seed": r2,
        "seconds": float(np.mean([cell["seconds"] for cell in cells])),
    }


def _table(tasks: Mapping[str, Any], figures: Mapping[str, Any]) -> list[list[Any]]:
    def three(values: Sequence[float | None]) -> str:
        return " / ".join("-" if value is None else f"{value:.2f}" for value in values)

    rows = []
    for task in tasks:
        published = PUBLISHED.get(task, {})
        for method, found in figures[task].items():
            theirs = published.get("mspe" if method == "ours" else method.removeprefix("paired_"))
            rows.append(
                [
                    task,
                    method,
                    three(found["r2"]),
                    three(found["std"]),
                    three(found["coverage90"]),
                    f"{found['seconds']:.0f}",
                    three(theirs) if theirs else "-",
                ]
            )
    return rows


if __name__ == "__main__":
    run_benchmark(
        "scalebench",
        measure,
        HEADERS,
        description="R2 at the target of ScaleBench's tasks for 1, 5 and 10 % of the pool's cost",
        options={
            "data": {"type": Path, "required": True, "help": "the folder of ScaleBench's tables"},
            "tasks": {"nargs": "+", "default": None, "help": f"of {', '.join(TASKS)}"},
            "workers": {"type": int, "default": os.cpu_count() or 1, "help": "processes"},
            "seeds": {"type": int, "default": None, "help": "of each method; 10, or 2 if quick"},
        },
    )
