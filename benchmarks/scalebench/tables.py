"""Reading ScaleBench's tables: a pool to buy from and a target to predict, group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bayeslaw.errors import InvalidInputError
from benchmarks.scalebench.tasks import TASKS, Task

_SUFFIX = "_scaling_law"


@dataclass(frozen=True)
class Group:
    """Hold one group of a task, with a budget of its own.

    Attributes:
        name: Of the group.
        pool: Library columns of the runs that can be bought, each ``(run,)``.
        pool_losses: What each would say ``(run,)``: a buyer sees those bought only.
        cost: Of each ``(run,)``.
        target: Library columns of what is to be predicted, each ``(target,)``.
        target_losses: For scoring alone ``(target,)``.
    """

    name: str
    pool: Mapping[str, np.ndarray]
    pool_losses: np.ndarray
    cost: np.ndarray
    target: Mapping[str, np.ndarray]
    target_losses: np.ndarray


def find_tasks(data: Path, names: Sequence[str] | None = None) -> dict[str, Path]:
    """Return the folder of each task that is there, or of those named.

    Args:
        data: The folder of ScaleBench or the one above it.
        names: Tasks; all that are there when left out.

    Raises:
        InvalidInputError: A name is unknown, or its folder or one of its tables is not there.
    """
    if unknown := sorted(set(names or ()) - set(TASKS)):
        raise InvalidInputError(f"no tasks {unknown}; known are {sorted(TASKS)}")
    root = data / "scalebench" if (data / "scalebench").is_dir() else data
    folders = {}
    for name in TASKS:
        for folder in (root / name, root / f"{name}{_SUFFIX}"):
            if all((folder / f"{part}.parquet").is_file() for part in ("train", "test")):
                folders[name] = folder
    missing = [name for name in names or () if name not in folders]
    if missing or not folders:
        raise InvalidInputError(
            f"--data needs a folder a task with train.parquet and test.parquet; under {root} there "
            f"are {sorted(folders)}{f', not {missing}' if missing else ''}"
        )
    return {name: folders[name] for name in names or folders}


def read_groups(folder: Path, task: Task) -> tuple[Group, ...]:
    """Return the groups of a task, in the order of their names.

    Raises:
        InvalidInputError: A column is missing or not finite, or a group has no pool or no target.
    """
    train = _read(folder / "train.parquet", (*task.inputs, *task.further, task.loss))
    test = _read(folder / "test.parquet", (*task.inputs, task.loss))
    groups = []
    for name in sorted({str(group) for group in train["group"]}):
        pool, target = _of_group(train, name), _of_group(test, name)
        if not len(target[task.loss]):
            raise InvalidInputError(f"{folder}: group {name!r} has no row in test.parquet")
        groups.append(
            Group(
                name=name,
                pool=task.columns(pool),
                pool_losses=pool[task.loss],
                cost=np.asarray(task.cost(pool), dtype=np.float64),
                target=task.columns(target),
                target_losses=target[task.loss],
            )
        )
    if left := sorted({str(g) for g in test["group"]} - {g.name for g in groups}):
        raise InvalidInputError(f"{folder}: groups {left} of test.parquet are not in train.parquet")
    return tuple(groups)


def _read(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    table = pq.read_table(path)
    if missing := [name for name in names if name not in table.column_names]:
        raise InvalidInputError(f"{path} has columns {table.column_names}, {missing} missing")
    columns = {name: np.asarray(table[name], dtype=np.float64) for name in names}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise InvalidInputError(f"{path}, column {name!r}: a value is not finite")
    has_groups = "group" in table.column_names
    groups = np.asarray(table["group"]) if has_groups else np.full(table.num_rows, "all_data")
    return {**columns, "group": groups.astype(str)}


def _of_group(table: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    rows = table["group"] == name
    return {column: values[rows] for column, values in table.items() if column != "group"}
