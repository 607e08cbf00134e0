"""A plain table of latencies, its columns named by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.checks import check_one_unit
from bayeslaw.runs.latency.columns import EXTRAS, LABELS, LOAD, MEASURED, SHAPE
from bayeslaw.runs.latency.filling import FLAGS
from bayeslaw.runs.latency.readers.door import admit, read_frame
from bayeslaw.runs.latency.table import LatencyTable

MILLISECONDS: Mapping[str, float] = {"ms": 1.0, "s": 1e3, "us": 1e-3}
"""Units a latency may be in; they must be said."""

_COLUMNS = {*MEASURED, *LOAD, *SHAPE, *EXTRAS, *FLAGS}


def read_latency_csv(
    path: Path | str,
    columns: Mapping[str, str],
    *,
    latency_unit: str,
    extras: Mapping[str, str] | None = None,
    skip_impossible: bool = False,
) -> LatencyTable:
    """Read a ``.csv`` or ``.parquet`` with one row a figure.

    Args:
        path: The file. Columns that are not named are not read.
        columns: Our name (`LATENCY_COLUMNS`, `LABELS`, ``gated_mlp``) to the file's column, or to
            ``=value``, which every row has: ``{"figure": "=tpot_ms", "batch_size": "bs"}``. Labels
            ``figure``, ``device``, ``engine`` and ``precision``, ``latency_ms``, the shape, batch and
            lengths are required.
        latency_unit: ``ms``, ``s`` or ``us``, of the whole column.
        extras: Further features of the caller's own naming, in the same manner.
        skip_impossible: Drop rows that cannot be, with a note, rather than refuse.

    Raises:
        InvalidInputError: A name is unknown or missing, a cell is no number, rows are in two units,
            or one is impossible.
    """
    path = Path(path)
    if latency_unit not in MILLISECONDS:
        raise InvalidInputError(
            f"latency_unit must be one of {[*MILLISECONDS]}, got {latency_unit!r}; say it, because "
            f"a guess would be wrong in silence"
        )
    if unknown := sorted(set(columns) - _COLUMNS - set(LABELS)):
        raise InvalidInputError(
            f"{unknown} are none of our names {sorted(_COLUMNS | set(LABELS))}; name further "
            f"features in extras"
        )
    if "latency_ms" not in columns:
        raise InvalidInputError("say which column is 'latency_ms'")
    sources = {**columns, **(extras or {})}
    frame = read_frame(path, [theirs for theirs in sources.values() if not theirs.startswith("=")])
    numbers = {
        name: _numbers(frame, theirs, path.name)
        for name, theirs in sources.items()
        if name not in LABELS
    }
    numbers["latency_ms"] = numbers["latency_ms"] * MILLISECONDS[latency_unit]
    labels = {
        name: theirs[1:] if theirs.startswith("=") else [str(word) for word in frame[theirs]]
        for name, theirs in columns.items()
        if name in LABELS
    }
    table = admit(numbers, labels, source=path.name, skip_impossible=skip_impossible)
    check_one_unit(table.columns, table.labels)
    return table


def _numbers(frame: pd.DataFrame, theirs: str, name: str) -> np.ndarray:
    values = [theirs[1:]] * len(frame) if theirs.startswith("=") else frame[theirs].tolist()
    words = {"true": 1.0, "false": 0.0}
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        word = str(value).strip().lower()
        try:
            numbers[row] = words[word] if word in words else float(word)
        except ValueError as error:
            raise InvalidInputError(
                f"{name}, row {row + 1}, column {theirs.lstrip('=')!r}: {value!r} is not a number"
            ) from error
    return numbers
