"""Run tables from and to CSV, Parquet and JSONL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import RunTableError
from bayeslaw.runs.columns import COLUMNS
from bayeslaw.runs.table import RunTable

UNITS: Mapping[str, float] = {
    "": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "nats": 1.0, "bits": float(np.log(2.0)),
    "hours": 1.0, "seconds": 1 / 3600, "minutes": 1 / 60,
}  # fmt: skip
"""Units a file's column may be in, as factors to ours."""

_COUNT_UNITS = ("", "thousand", "million", "billion", "trillion")
_ALLOWED_UNITS = {
    "count": _COUNT_UNITS,
    "nats per token": ("", "nats", "bits"),
    "hour": ("", "hours", "minutes", "seconds"),
}

# Common headers that do not say what they mean, and what they could mean.
_AMBIGUOUS = {
    "loss": "loss_nats (nats per token); in bits per token say --column loss_nats=loss:bits",
    "n": "n_params (all weights) or n_params_body (without embeddings and head)",
    "params": "n_params (all weights) or n_params_body (without embeddings and head)",
    "parameters": "n_params (all weights) or n_params_body (without embeddings and head)",
    "d": "n_tokens",
    "tokens": "n_tokens",
    "flops": "nothing: cost follows from N and D; leave it out with --ignore",
}


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """Say which of a file's columns fills one of ours, and in which unit.

    Attributes:
        name: The file's header.
        unit: One of `UNITS`; empty when values are in our unit already.
    """

    name: str
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> tuple[str, ColumnSource]:
        """Read ``ours=theirs`` or ``ours=theirs:unit``, as the command line gives it.

        >>> ColumnSource.parse("n_params=Model size:billion")
        ('n_params', ColumnSource(name='Model size', unit='billion'))
        """
        ours, equals, rest = text.partition("=")
        if not equals or not ours or not rest:
            raise RunTableError(
                f"a column mapping is 'ours=theirs' or 'ours=theirs:unit', got {text!r}"
            )
        theirs, _, unit = (
            rest.rpartition(":") if rest.rpartition(":")[2] in UNITS else (rest, "", "")
        )
        return ours, cls(theirs or rest, unit)


def read_runs(
    path: Path | str,
    *,
    columns: Mapping[str, ColumnSource] | None = None,
    ignore: tuple[str, ...] = (),
) -> RunTable:
    """Read a table of runs: ``.csv``, ``.parquet`` or ``.jsonl``.

    Headers that are our names (`bayeslaw.runs.COLUMNS`, ``run_id``) are taken as they are; others
    must be mapped or ignored by name, so nothing is guessed and nothing is dropped in silence.

    Args:
        path: The file.
        columns: Our name to the file's column and unit.
        ignore: The file's columns to leave out; ``"*"`` leaves out all that are not known.

    Returns:
        The table; its ``source`` is the file's name.

    Raises:
        RunTableError: The file or a cell is wrong; the message names row and column.
    """
    path = Path(path)
    frame = _read_frame(path)
    columns = dict(columns or {})
    for ours, source in columns.items():
        _check_mapping(ours, source, frame, path)
    mapped = {source.name for source in columns.values()}
    data: dict[str, np.ndarray] = {
        ours: _convert(frame[source.name].to_numpy(), ours, source)
        for ours, source in columns.items()
    }
    unknown = []
    for header in frame.columns:
        if header in mapped or header in ignore or header == "run_id":
            continue
        if header in COLUMNS and header not in data:
            data[header] = _convert(frame[header].to_numpy(), header, ColumnSource(header))
        elif "*" not in ignore:
            unknown.append(str(header))
    if unknown:
        hints = [
            f"{h!r} may be {_AMBIGUOUS[h.lower()]}" for h in unknown if h.lower() in _AMBIGUOUS
        ]
        raise RunTableError(
            f"{path.name}: unknown column(s) {unknown}; map each with --column OURS=THEIRS[:unit] or "
            f"leave it out with --ignore NAME" + (f". {'; '.join(hints)}" if hints else "")
        )
    # Rows are named by their line in the file (the header is line 1), as an editor shows them.
    run_ids = (
        [str(value) for value in frame["run_id"]]
        if "run_id" in frame
        else [f"line {i + 2}" for i in range(len(frame))]
        if path.suffix == ".csv"
        else [f"row {i}" for i in range(len(frame))]
    )
    return RunTable.from_columns(data, run_ids=run_ids, source=path.name)


def write_runs(table: RunTable, path: Path | str) -> None:
    """Write a table as ``.csv``, ``.parquet`` or ``.jsonl``; `read_runs` gives it back exactly."""
    path = Path(path)
    frame = pd.DataFrame({"run_id": list(table.run_ids), **{n: table[n] for n in table}})
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        rows = frame.to_dict(orient="records")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        raise RunTableError(f"{path.name}: write .csv, .parquet or .jsonl")


def _read_frame(path: Path) -> pd.DataFrame:
    readers = {
        # As text: Python's own float() then gives back every digit, and a bad cell as it was.
        ".csv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(path),
        ".jsonl": lambda: pd.DataFrame(
            [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        ),
    }
    if path.suffix not in readers:
        raise RunTableError(f"{path.name}: a run table is {sorted(readers)}, got {path.suffix!r}")
    try:
        frame = readers[path.suffix]()
    except OSError as error:
        raise RunTableError(f"cannot open {path}: {error}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise RunTableError(
            f"{path.name} is not a readable {path.suffix} table: {error}"
        ) from error
    if frame.empty:
        raise RunTableError(f"{path.name} has no rows")
    return frame


def _check_mapping(ours: str, source: ColumnSource, frame: pd.DataFrame, path: Path) -> None:
    if ours not in COLUMNS:
        raise RunTableError(f"{ours!r} is not one of our columns {sorted(COLUMNS)}")
    if source.name not in frame:
        raise RunTableError(
            f"{path.name} has no column {source.name!r}, only {[str(c) for c in frame.columns]}"
        )
    allowed = _ALLOWED_UNITS.get(COLUMNS[ours].unit, ("",))
    if source.unit not in allowed:
        raise RunTableError(
            f"column {ours!r} is in {COLUMNS[ours].unit!r}; a file's unit may be "
            f"{[unit for unit in allowed if unit]}, got {source.unit!r}"
        )


def _convert(values: np.ndarray, ours: str, source: ColumnSource) -> np.ndarray:
    if COLUMNS[ours].unit == "0 or 1":
        words = {"true": "1", "false": "0"}
        return np.array([words.get(str(value).lower(), value) for value in values])
    factor = UNITS[source.unit]
    if factor == 1.0:
        return values
    # A cell that is no number becomes NaN here and is refused, by row, at the table's door.
    numbers = np.array([_to_float(value) for value in values]) * factor
    return np.round(numbers) if COLUMNS[ours].is_count else numbers


def _to_float(value: object) -> float:
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return float("nan")
