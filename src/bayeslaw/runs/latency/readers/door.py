"""The door that every reader of other people's latencies goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.floor import below_floor
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import BYTES_PER_VALUE, DEVICES


def read_frame(path: Path | str, required: Sequence[str]) -> pd.DataFrame:
    """Read ``.csv`` or ``.parquet`` and say which columns it lacks.

    Raises:
        InvalidInputError: It cannot be read, has no rows, or lacks a column.
    """
    path = Path(path)
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix.lower() not in readers:
        raise InvalidInputError(f"{path.name}: a latency file is one of {sorted(readers)}")
    try:
        frame = readers[path.suffix.lower()](path)
    except OSError as error:
        raise InvalidInputError(f"cannot open {path}: {error}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise InvalidInputError(f"{path.name} is not a readable table: {error}") from error
    if frame.empty:
        raise InvalidInputError(f"{path.name} has no rows")
    if missing := [name for name in required if name not in frame]:
        raise InvalidInputError(
            f"{path.name} lacks column(s) {missing}; it has {[str(c) for c in frame.columns]}"
        )
    return frame


def admit(
    columns: Mapping[str, np.ndarray | float],
    labels: Mapping[str, str | Sequence[str]],
    *,
    source: str,
    skip_impossible: bool,
    notes: Sequence[str] = (),
    causal: bool | np.ndarray = True,
    all_logits: bool | np.ndarray | None = None,
) -> LatencyTable:
    """Build a table from a source's rows, refusing those that cannot be.

    A latency that is not finite and positive, and one below nine tenths of the physical floor of
    its device, cannot be. Devices that `bayeslaw.space.DEVICES` does not have, or not in a row's
    precision, have no floor; a note names them.

    Args:
        columns: As in `LatencyTable.from_columns`.
        labels: Likewise.
        source: The file's name.
        skip_impossible: Drop such rows, with a note that counts them and gives the reasons.
        notes: What the reader left out.
        causal: As in `LatencyTable.from_columns`.
        all_logits: Likewise.

    Raises:
        InvalidInputError: A row cannot be, and ``skip_impossible`` is false.
    """
    latency = np.asarray(columns["latency_ms"], np.float64)
    fits = np.asarray(columns.get("out_of_memory", np.zeros(len(latency)))) == 0
    wrong = fits & ~(np.isfinite(latency) & (latency > 0))
    told = list(notes)
    if wrong.any():
        row = int(np.argmax(wrong))
        what = f"{source}, row {row + 1}: latency_ms is {latency[row]}, which must be positive"
        if not skip_impossible:
            raise InvalidInputError(f"{what}; correct it, or drop such rows with skip_impossible")
        told.append(f"{int(wrong.sum())} rows without a positive latency left out; {what}")
        if wrong.all():
            raise InvalidInputError(f"{source}: no row has a positive latency")
        columns = {k: v if np.ndim(v) == 0 else np.asarray(v)[~wrong] for k, v in columns.items()}
        labels = {
            name: words
            if isinstance(words, str)
            else [word for word, left_out in zip(words, wrong, strict=True) if not left_out]
            for name, words in labels.items()
        }
        causal = causal if np.ndim(causal) == 0 else np.asarray(causal)[~wrong]
        if all_logits is not None and np.ndim(all_logits):
            all_logits = np.asarray(all_logits)[~wrong]
    table = LatencyTable.from_columns(
        columns, labels, causal=causal, all_logits=all_logits, source=source, notes=told
    )
    return refuse_impossible(table, skip_impossible=skip_impossible)


def refuse_impossible(table: LatencyTable, *, skip_impossible: bool) -> LatencyTable:
    """Hold every row to the floor of its device; see `admit`."""
    parts = (table.labels[name] for name in ("device", "precision"))
    who = np.array(["\0".join(words) for words in zip(*parts, strict=True)])
    impossible: dict[int, str] = {}
    unknown = []
    for name in np.unique(who):
        device, precision = name.split("\0")
        if device not in DEVICES or precision not in DEVICES[device].peak_flops:
            unknown.append(f"{device} in {precision}")
            continue
        rows = np.flatnonzero(who == name)
        impossible |= below_floor(table, DEVICES[device], rows=rows)
    notes = list(table.notes)
    if unknown:
        notes.append(f"no floor is known for {', '.join(unknown)}: those rows were not held to one")
    if impossible:
        reasons = [impossible[row] for row in sorted(impossible)]
        what = f"{len(reasons)} of {len(table)} rows are faster than their device can be"
        if not skip_impossible:
            raise InvalidInputError(
                f"{table.source}: {what}; the first is {reasons[0]}. Is the unit, the device, the "
                f"precision (TF32 counts as float32 here) or the output length another? Drop such "
                f"rows with skip_impossible"
            )
        if len(reasons) == len(table):
            raise InvalidInputError(f"{table.source}: all {what}; the first is {reasons[0]}")
        notes += [f"{what} and left out", *reasons]
    keep = ~np.isin(np.arange(len(table)), list(impossible))
    kept = table.where(keep) if impossible else table
    return LatencyTable(kept.columns, kept.labels, source=table.source, notes=tuple(notes))


def check_precision(precision: str) -> int:
    """Return the bytes of a value, or say which precisions are known."""
    if precision not in BYTES_PER_VALUE:
        raise InvalidInputError(
            f"precision must be one of {sorted(BYTES_PER_VALUE)}, got {precision!r}"
        )
    return BYTES_PER_VALUE[precision]
