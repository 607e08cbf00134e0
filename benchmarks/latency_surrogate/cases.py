"""Which rows are of one case, and which models are of one shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.columns import LOAD, SHAPE


def known_elsewhere(rows: LatencyTable, timed: LatencyTable) -> dict[str, np.ndarray]:
    """Return each source's log latency of each row's case, NaN where it was not timed there."""
    wanted = _case_keys(rows)
    keys, logs = _case_keys(timed), np.log(timed["latency_ms"])
    found: dict[str, dict[tuple, float]] = {}
    for i, (device, engine) in enumerate(
        zip(timed.labels["device"], timed.labels["engine"], strict=True)
    ):
        found.setdefault(f"{device}/{engine}", {})[keys[i]] = float(logs[i])
    return {
        name: np.array([cases.get(key, np.nan) for key in wanted]) for name, cases in found.items()
    }


def _case_keys(table: LatencyTable) -> list[tuple]:
    """Return what was run, whatever it ran on: network, load and figure, one key a row."""
    columns = [table[name].tolist() for name in (*LOAD, "prefill_passes", *table.extras)]
    return list(zip(table.labels["model"], table.labels["figure"], *columns, strict=True))


def number_cases(table: LatencyTable) -> np.ndarray:
    """Number the networks under a load; figures of one case share its number, ``(row,)``."""
    columns = [table[name].tolist() for name in LOAD]
    return _numbered(list(zip(table.labels["model"], *columns, strict=True)))


def shape_rows(table: LatencyTable) -> list[tuple[float, ...]]:
    """Return each row's shape."""
    return [tuple(row) for row in np.stack([table[name] for name in SHAPE], axis=-1).tolist()]


def number_shapes(table: LatencyTable) -> np.ndarray:
    """Number the shapes, ``(row,)``: two names of one shape are one model."""
    return _numbered(shape_rows(table))


def _numbered(keys: Sequence[tuple]) -> np.ndarray:
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys])
