"""Run tables from and to CSV, Parquet and JSONL."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import RunTableError
from bayeslaw.runs.columns import COLUMNS, LABELS
from bayeslaw.runs.table import RunTable

UNITS: Mapping[str, float] = {
    "": 1.0, "rounded": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "nats": 1.0, "bits": float(np.log(2.0)),
    "hours": 1.0, "seconds": 1 / 3600, "minutes": 1 / 60,
}  # fmt: skip
"""Units a file's column may be in, as factors to ours; ``rounded`` counts were estimated."""

_COUNT_UNITS = ("", "rounded", "thousand", "million", "billion", "trillion")
_ALLOWED_UNITS = {
    "count": _COUNT_UNITS,
    "nats per token": ("", "nats", "bits"),
    "hour": ("", "hours", "minutes", "seconds"),
}

_WAYS_TO_COUNT = "n_params={0} (all weights) or n_params_body={0} (without embeddings and head)"

# An average over a run is of its past too, and so too high by the more the shorter the run.
_FINAL_LOSS = "loss_nats={0}, if it averages over the run's last steps alone: final loss wanted"

# Common headers, and what they would be called with; never assumed, because a guess about what N
# counts or which unit a loss has would be wrong in silence.
_HINTS = {
    "loss": "loss_nats={0}, or loss_nats={0}:bits if it is in bits per token",
    "avg_loss": _FINAL_LOSS,
    "loss_ema": _FINAL_LOSS,
    "smooth_loss": _FINAL_LOSS,
    "n": _WAYS_TO_COUNT,
    "params": _WAYS_TO_COUNT,
    "parameters": _WAYS_TO_COUNT,
    "n_total": "n_params={0}",
    "n_nonembed": "n_params_body={0}",
    "d": "n_tokens={0}",
    "tokens": "n_tokens={0}",
    "d_tokens": "n_tokens={0}",
    "hidden_size": "d_model={0}",
    "num_hidden_layers": "n_layers={0}",
    "num_attention_heads": "n_heads={0}",
    "num_key_value_heads": "n_kv_heads={0}",
    "ffn_dim": "d_ff={0}",
    "intermediate_size": "d_ff={0}",
    "vocab": "vocab_size={0}",
    "mlp_attn_param_ratio": "mlp_attention_ratio={0}",
}


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """Say which of a file's columns fills one of ours, and in which unit; or one value for all rows.

    Attributes:
        name: The file's header; empty with a constant.
        unit: One of `UNITS`; empty when values are in our unit already.
        constant: What every row has, such as a vocabulary that the file does not mention.
    """

    name: str
    unit: str = ""
    constant: float | None = None

    @classmethod
    def parse(cls, text: str) -> tuple[str, ColumnSource]:
        """Read ``ours=theirs``, ``ours=theirs:unit`` or ``ours==number``.

        >>> ColumnSource.parse("vocab_size==50432")
        ('vocab_size', ColumnSource(name='', unit='', constant=50432.0))
        >>> ColumnSource.parse("n_params=Model size:billion")
        ('n_params', ColumnSource(name='Model size', unit='billion', constant=None))
        """
        ours, equals, rest = text.partition("=")
        if not equals or not ours or not rest:
            raise RunTableError(
                f"a column mapping is 'ours=theirs', 'ours=theirs:unit' or 'ours==number', got "
                f"{text!r}"
            )
        if rest.startswith("="):
            if math.isnan(number := _to_float(rest[1:])):
                raise RunTableError(f"in {text!r} a constant is a number, got {rest[1:]!r}")
            return ours, cls("", constant=number)
        theirs, _, unit = (
            rest.rpartition(":") if rest.rpartition(":")[2] in UNITS else (rest, "", "")
        )
        return ours, cls(theirs or rest, unit)


def read_runs(
    path: Path | str,
    *,
    columns: Mapping[str, ColumnSource | str] | None = None,
    ignore: Sequence[str] = (),
) -> RunTable:
    """Read a table of runs: ``.csv``, ``.parquet`` or ``.jsonl``.

    Headers that are our names (`bayeslaw.runs.COLUMNS`, ``run_id``) are taken as they are; others
    must be mapped or ignored by name, so nothing is guessed and nothing is dropped in silence.
    What a file says in words (`bayeslaw.runs.LABELS`) is no column of a table: ``trunk`` becomes
    its `trunks`, the others are named in its `left_out`. Rows whose ``finished`` is 0 or false are no
    evidence, for a law speaks of whole schedules: they are left out, and `left_out` says how many.

    Args:
        path: The file.
        columns: Our name to the file's column and unit: a `ColumnSource`, or text such as
            ``"Model size:billion"`` or, for one value in all rows, ``"=50432"``.
        ignore: The file's columns to leave out; ``"*"`` leaves out all that are not known. Without
            ``finished``, named here, every row is taken.

    Returns:
        The table; its ``source`` is the file's name.

    Raises:
        RunTableError: The file or a cell is wrong; the message names row and column.
    """
    path = Path(path)
    frame = _read_frame(path)
    ignore = (ignore,) if isinstance(ignore, str) else ignore
    columns = {
        ours: ColumnSource.parse(f"{ours}={source}")[1] if isinstance(source, str) else source
        for ours, source in (columns or {}).items()
    }
    for ours, source in columns.items():
        _check_mapping(ours, source, frame, path)
    n_rows = len(frame)
    if "finished" in frame and "finished" not in ignore:
        frame = frame.loc[_finished(frame["finished"].to_numpy(), path)]
    mapped = {source.name for source in columns.values()}
    data: dict[str, np.ndarray] = {
        ours: _convert(frame[source.name].to_numpy(), ours, source)
        if source.constant is None
        else np.full(len(frame), source.constant)
        for ours, source in columns.items()
    }
    unknown, words = [], []
    for header in frame.columns:
        if header in mapped or header in ignore or header in ("run_id", "trunk"):
            continue
        if header in COLUMNS and header not in data:
            data[header] = _convert(frame[header].to_numpy(), header, ColumnSource(header))
        elif header in LABELS:
            words.append(header)
        elif "*" not in ignore:
            unknown.append(str(header))
    if unknown:
        raise RunTableError(_about_unknown(path, unknown))
    # A row without a name is named as editors and compilers do: file:line, the header being 1.
    first_line = 2 if path.suffix.lower() == ".csv" else 1
    run_ids = (
        [str(value) for value in frame["run_id"]]
        if "run_id" in frame
        else [f"{path.name}:{i + first_line}" for i in frame.index]
    )
    trunks = () if "trunk" not in frame or "trunk" in ignore else [str(t) for t in frame["trunk"]]
    table = RunTable.from_columns(data, run_ids=run_ids, source=path.name, trunks=trunks)
    if len(frame) < n_rows:
        words.append(f"{n_rows - len(frame)} of {n_rows} rows, whose schedule is not finished")
    return replace(table, left_out=tuple(words))


def write_runs(table: RunTable, path: Path | str) -> None:
    """Write a table as ``.csv``, ``.parquet`` or ``.jsonl``; `read_runs` gives it back exactly.

    Raises:
        RunTableError: The file's name ends otherwise.
    """
    path = Path(path)
    data = {
        name: table[name].astype(np.int64) if COLUMNS[name].is_count else table[name]
        for name in table
    }
    trunks = {"trunk": list(table.trunks)} if table.trunks else {}
    frame = pd.DataFrame({"run_id": list(table.run_ids), **trunks, **data})
    if path.suffix.lower() == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix.lower() == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix.lower() == ".jsonl":
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
    if path.suffix.lower() not in readers:
        raise RunTableError(
            f"{path.name}: a run table is {sorted(readers)}, got {path.suffix.lower()!r}"
        )
    try:
        frame = readers[path.suffix.lower()]()
    except OSError as error:
        raise RunTableError(f"cannot open {path}: {error}") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise RunTableError(
            f"{path.name} is not a readable {path.suffix.lower()} table: {str(error).strip()}"
        ) from error
    if frame.empty:
        raise RunTableError(f"{path.name} has no rows")
    return frame


def _finished(values: np.ndarray, path: Path) -> np.ndarray:
    """Return which rows ran their whole schedule, ``(row,)``."""
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    said = [words.get(str(value).strip().lower()) for value in values]
    if None in said:
        row = said.index(None)
        raise RunTableError(
            f"{path.name}, row {row + 1}, column 'finished': {str(values[row])!r} is neither true "
            f"(1) nor false (0); correct it, or take every row with --ignore finished"
        )
    if not any(said):
        raise RunTableError(
            f"{path.name}: no row is finished, so there is no evidence; a loss before the rate has "
            f"fallen is not the law's. Finish runs, or take every row with --ignore finished"
        )
    return np.array(said, bool)


def _about_unknown(path: Path, unknown: list[str]) -> str:
    lines = [
        f"{path.name}: unknown column(s) {unknown}; map those you need with --column OURS=THEIRS[:unit] "
        f"and leave out the others with --ignore NAME, or --ignore '*' for all of them"
    ]
    if len(unknown) == 1 and ";" in unknown[0]:
        lines.append("  the file separates columns by semicolons; write it with commas")
    for header in unknown:
        if hint := _HINTS.get(header.lower()):
            lines.append(f"  {header!r}: perhaps --column {hint.format(header)}")
    return "\n".join(lines)


def _check_mapping(ours: str, source: ColumnSource, frame: pd.DataFrame, path: Path) -> None:
    if ours not in COLUMNS:
        raise RunTableError(f"{ours!r} is not one of our columns {sorted(COLUMNS)}")
    if source.constant is not None:
        if ours in frame:
            raise RunTableError(f"{path.name} has a column {ours!r}; a constant would hide it")
        return
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
    if factor == 1.0 and source.unit != "rounded":
        return values
    # A cell that is no number becomes NaN here and is refused, by row, at the table's door.
    numbers = np.array([_to_float(value) for value in values]) * factor
    return np.round(numbers) if COLUMNS[ours].is_count else numbers


def _to_float(value: object) -> float:
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return float("nan")
