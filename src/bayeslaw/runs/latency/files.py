"""Latency tables from and to Parquet and CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.columns import LABELS
from bayeslaw.runs.latency.table import LatencyTable


def write_latency_table(table: LatencyTable, path: Path | str) -> None:
    """Write a table as ``.parquet`` or ``.csv``; `read_latency_table` gives it back exactly.

    Its notes are for people and are not written.

    Raises:
        InvalidInputError: The file's name ends otherwise.
    """
    path = Path(path)
    labels = {name: list(words) for name, words in table.labels.items()}
    frame = pd.DataFrame({**labels, **{name: table[name] for name in table}})
    if path.suffix.lower() == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix.lower() == ".csv":
        frame.to_csv(path, index=False)
    else:
        raise InvalidInputError(f"{path.name}: write .parquet or .csv")


def read_latency_table(path: Path | str) -> LatencyTable:
    """Read what `write_latency_table` wrote.

    Raises:
        InvalidInputError: The file is none, or a row is wrong; the message names row and column.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix.lower() == ".csv":
            # As text: Python's own float() then gives back every digit.
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            raise InvalidInputError(f"{path.name}: a latency table is .parquet or .csv")
    except OSError as error:
        raise InvalidInputError(f"cannot open {path}: {error}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path.name} is not a readable table: {error}") from error
    if missing := sorted(set(LABELS) - set(frame.columns)):
        raise InvalidInputError(
            f"{path.name} lacks {missing}, so it is no latency table of ours; read other people's "
            f"with bayeslaw.runs.latency.readers or `bayeslaw import-latency`"
        )
    columns = {
        str(name): np.array([float(value or "nan") for value in frame[name]])
        if path.suffix.lower() == ".csv"
        else frame[name].to_numpy()
        for name in frame
        if name not in LABELS
    }
    labels = {name: [str(word) for word in frame[name]] for name in LABELS}
    return LatencyTable.from_columns(columns, labels, source=path.name)
