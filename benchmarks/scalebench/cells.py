"""One task, method and seed, kept on disk so that an interrupted benchmark goes on.

A cell's name carries what it was made from: the rows, the laws, and the source files of the search
and of this benchmark. Two methods that come to the same thing share a cell.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scalebench.methods import METHODS, laws_for
from benchmarks.scalebench.tables import Group, read_groups
from benchmarks.scalebench.tasks import TASKS

_HERE = Path(__file__).parent
_BAYESLAW = _HERE.parents[1] / "src" / "bayeslaw"
_SOURCES = (
    *(_HERE / f"{name}.py" for name in ("tasks", "tables", "beliefs", "campaign", "scores")),
    *(_BAYESLAW / "search" / f"{name}.py" for name in ("conditioning", "portfolio")),
    *sorted((_BAYESLAW / "search" / "acquisition").glob("*.py")),
)


@dataclass(frozen=True)
class Cell:
    """Name one campaign over a task's groups.

    Attributes:
        task: Its name.
        folder: Of its tables.
        method: A row of `METHODS`.
        seed: Of the campaign.
    """

    task: str
    folder: Path
    method: str
    seed: int

    def path(self, into: Path) -> Path:
        """Return where the cell's scores lie."""
        task = TASKS[self.task]
        groups = read_groups(self.folder, task)
        laws = laws_for(self.method, task, groups[0])
        method = METHODS[self.method]
        way = f"{method.acquisition.name}{'' if method.discrepancy else '-plain'}"
        made_of = [way, str(method.acquisition.cost_powers), _code(), _rows(self.folder)]
        made_of += [(_BAYESLAW / "models/loss/laws" / f"{law.name}.py").read_text() for law in laws]
        digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:12]
        names = "+".join(law.name for law in laws)
        return into / f"{self.task}-{names}-{way}-{self.seed}-{digest}.json"


def fill_cell(cell: Cell, path: Path) -> Path:
    """Run the campaign and write its scores at every checkpoint, unless they are there."""
    if path.exists():
        return path
    import torch

    torch.set_num_threads(1)
    found = run_campaign(read_groups(cell.folder, TASKS[cell.task]), cell)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found))
    partial.rename(path)
    return path


def run_campaign(groups: Sequence[Group], cell: Cell) -> dict[str, Any]:
    """Return R2, coverage, runs and spending at every checkpoint, and the seconds they took."""
    from benchmarks.scalebench.campaign import Lab
    from benchmarks.scalebench.scores import coverage, r_squared

    task, started = TASKS[cell.task], time.perf_counter()
    labs = [
        Lab(
            group,
            laws_for(cell.method, task, group),
            METHODS[cell.method],
            seed=cell.seed,
            shift_nats=task.shift_nats,
        )
        for group in groups
    ]
    rows = []
    for share in task.checkpoints:
        forecasts = []
        for lab in labs:
            lab.spend_up_to(share * float(lab.group.cost.sum()))
            forecasts.append(lab.forecast())
        row: dict[str, Any] = {"n_runs": [f.n_runs for f in forecasts]}
        row["spent"] = [f.spent for f in forecasts]
        if any(f.mean is None for f in forecasts):
            rows.append({**row, "r2": -1.0, "coverage90": None, "bias": None})
            continue
        truth = np.concatenate([group.target_losses for group in groups])
        mean, low, high = (
            np.concatenate([getattr(f, end) for f in forecasts]) for end in ("mean", "low", "high")
        )
        scores: Mapping[str, float] = {
            "r2": r_squared(truth, mean),
            "coverage90": coverage(truth, low, high),
            "bias": float((mean - truth).mean()),
        }
        rows.append({**row, **scores})
    return {"checkpoints": rows, "seconds": time.perf_counter() - started}


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in _SOURCES:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _rows(folder: Path) -> str:
    parts = [(folder / f"{name}.parquet").read_bytes() for name in ("train", "test")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
