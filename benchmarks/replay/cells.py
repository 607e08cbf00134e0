"""One method on one pool with one seed, kept in a file that is written as it goes.

A cell's name carries the pool's values and, of ours, the source it follows from, of a peer its version.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.optimiser import PINS
from benchmarks.replay.front import hypervolume, nadir
from benchmarks.replay.methods import ask
from benchmarks.replay.pools import Pool

GOAL = 0.99
"""A cell ends when it has this share of the pool's hypervolume."""

_KEPT_EVERY = 10
_SEARCH = Path(__file__).parents[2] / "src" / "bayeslaw" / "search"
_OURS = ("pool_search.py", "pool_kernel.py", "pool_surrogate.py", "front_growth.py")


@dataclass(frozen=True)
class Cell:
    """Hold what one method asked for.

    Attributes:
        pool: Name of the pool.
        method: Who asked.
        seed: Of the method.
        rows: In the order they were asked for.
        shares: Of the pool's hypervolume, after each ask.
        seconds: Each ask took.
    """

    pool: str
    method: str
    seed: int
    rows: list[int]
    shares: list[float]
    seconds: list[float]

    def evaluations_to(self, share: float) -> int | None:
        """Return the asks until a share was reached, None where it was not."""
        return next((n + 1 for n, found in enumerate(self.shares) if found >= share), None)

    def is_ended(self, n_asks: int, limit_s: float) -> bool:
        """Return whether there is nothing more to ask."""
        return bool(self.rows) and (
            self.shares[-1] >= GOAL or len(self.rows) >= n_asks or sum(self.seconds) >= limit_s
        )


def cell_path(folder: Path, pool: Pool, method: str, seed: int) -> Path:
    """Return where a cell is kept."""
    digest = hashlib.sha256(pool.values.tobytes() + pool.features.tobytes())
    if method == "ours":
        for name in _OURS:
            digest.update((_SEARCH / name).read_bytes())
    else:
        digest.update(repr(PINS).encode())
    return folder / f"{pool.name}-{method}-{seed}-{digest.hexdigest()[:8]}.json"


def read_cell(path: Path) -> Cell:
    """Return a kept cell."""
    return Cell(**json.loads(path.read_text()))


def fill_cell(pool: Pool, method: str, seed: int, n_asks: int, limit_s: float, path: Path) -> Path:
    """Ask until the goal, the last ask or the time limit; return where it is kept.

    An interrupted cell starts again: what a peer has in its head cannot be kept.

    Args:
        pool: What is asked about.
        method: Who asks.
        seed: Of the method.
        n_asks: Most asks.
        limit_s: Most seconds of asking.
        path: Of the cell.
    """
    if path.exists() and read_cell(path).is_ended(n_asks, limit_s):
        return path
    reference = nadir(pool.values)
    whole = hypervolume(pool.values, reference)
    cell = Cell(pool.name, method, seed, [], [], [])
    start = time.perf_counter()
    asking = ask(method, pool, seed)
    row = next(asking)
    while True:
        if row in cell.rows:
            raise RuntimeError(f"{method} asked for row {row} of {pool.name} twice")
        cell.seconds.append(round(time.perf_counter() - start, 4))
        cell.rows.append(row)
        cell.shares.append(hypervolume(pool.values[cell.rows], reference) / whole)
        is_ended = cell.is_ended(n_asks, limit_s)
        if is_ended or len(cell.rows) % _KEPT_EVERY == 0:
            path.write_text(json.dumps(asdict(cell)))
        if is_ended:
            break
        start = time.perf_counter()
        row = asking.send(pool.values[row])
    asking.close()
    return path
