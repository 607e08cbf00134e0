"""What methods did in one lab, kept on disk so that an interrupted benchmark goes on.

A cell's name carries a hash of this folder's files that it follows from. Of the library it says only the
version: after a change to the library that should count, empty the benchmark's folder under ``.work``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from rich.progress import track

from benchmarks.digital_twin.trace import Trace
from benchmarks.digital_twin.world import World

_HERE = Path(__file__).parent
_SHARED = ("shapes", "truths", "table", "device", "world", "trace", "decide")
_MODULES = {
    **dict.fromkeys(("ours", "mspe", "random"), "with_laws"),
    **dict.fromkeys(("p1_grid", "p2_grid"), "with_grids"),
    **dict.fromkeys(("ax", "optuna_gp", "random_best"), "without_laws"),
}
METHODS = tuple(_MODULES)
"""Every method, ours first."""


def fill_cells(
    jobs: Sequence[tuple[World, Sequence[str]]], folder: Path, n_workers: int
) -> dict[str, dict[str, Trace]]:
    """Run what is not there yet, a lab a worker process, and return truth to method to trace."""
    todo = [
        (world, [m for m in methods if not cell_path(folder, world, m).exists()])
        for world, methods in jobs
    ]
    todo = [(world, methods) for world, methods in todo if methods]
    if todo:
        with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(fill, world, methods, folder) for world, methods in todo]
            for done in track(as_completed(waiting), "labs", total=len(waiting)):
                done.result()
    return {
        world.name: {m: read(cell_path(folder, world, m)) for m in methods}
        for world, methods in jobs
    }


def fill(world: World, methods: Iterable[str], folder: Path) -> None:
    """Let methods loose on one lab, one after the other."""
    import torch

    from benchmarks.digital_twin import with_grids, with_laws, without_laws
    from benchmarks.digital_twin.decide import learn_latency

    torch.set_num_threads(1)
    latency = learn_latency(world)
    follow = {
        "with_laws": with_laws.follow,
        "with_grids": with_grids.follow,
        "without_laws": without_laws.follow,
    }
    for method in methods:
        trace = follow[_MODULES[method]](world, latency, method)
        path = cell_path(folder, world, method)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(trace.to_dict()))
        partial.rename(path)


def read(path: Path) -> Trace:
    """Return what `fill` wrote."""
    return Trace.from_dict(json.loads(path.read_text()))


def cell_path(folder: Path, world: World, method: str) -> Path:
    """Return where a cell lies."""
    return folder / f"{world.name}-{method}-{_code_hash(_MODULES[method])}.json"


@cache
def _code_hash(module: str) -> str:
    digest = hashlib.sha256()
    for name in (*_SHARED, module):
        digest.update((_HERE / f"{name}.py").read_bytes())
    return digest.hexdigest()[:10]
