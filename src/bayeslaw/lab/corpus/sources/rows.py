"""Documents that are rows of a file, read as a stream."""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.corpus.document import Document

_TEXT = "text"
_LICENCE = ("license", "licence")
_LONGEST_LINE_BYTES = 64 * 2**20
# Few enough that a batch of the longest documents fits in memory.
_ROWS_AT_ONCE = 64
_BUFFER_BYTES = 2**20


def read_jsonl(path: Path, origin: str) -> Iterator[Document]:
    """Yield a document a line, from its field ``text``; ``.gz`` is unpacked on the way.

    Raises:
        InvalidInputError: A line that is no JSON object with a text, or a damaged ``.gz``.
    """
    with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
        number = 0
        while True:
            number += 1
            try:
                line = file.readline(_LONGEST_LINE_BYTES)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InvalidInputError(
                    f"{path} is damaged after line {number - 1} ({error}); fetch it again"
                ) from error
            if not line:
                return
            if len(line) == _LONGEST_LINE_BYTES and not line.endswith(b"\n"):
                raise InvalidInputError(
                    f"{path}:{number} is longer than {_LONGEST_LINE_BYTES} bytes; JSON lines have "
                    f"one object a line"
                )
            if line.strip():
                yield _document(path, origin, number, _parsed(path, number, line))


def read_parquet(path: Path, origin: str) -> Iterator[Document]:
    """Yield a document a row, from the column ``text``, a few rows in memory at a time.

    Raises:
        InvalidInputError: The file is no Parquet or has no such column.
        UnavailableError: pyarrow is not installed.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError as error:
        raise UnavailableError(
            f"{path} is Parquet, which needs pyarrow ({error}): pip install pyarrow"
        ) from error
    try:
        # Without a buffer size, the whole column of a row group is read at once.
        with parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            known = file.schema_arrow.names
            if _TEXT not in known:
                raise InvalidInputError(f"{path} has no column {_TEXT!r}; its columns are {known}")
            columns = [_TEXT, *(name for name in _LICENCE if name in known)]
            number = 0
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=columns):
                # As bytes: they are decoded once, where documents are checked.
                texts = batch.column(_TEXT).cast(arrow.large_binary()).to_pylist()
                licences = (
                    batch.column(columns[1]).to_pylist() if columns[1:] else [None] * len(texts)
                )
                for text, licence in zip(texts, licences, strict=True):
                    number += 1
                    yield Document(
                        text=text or b"", name=f"row {number}", origin=origin, licence=licence or ""
                    )
    except arrow.ArrowException as error:
        raise InvalidInputError(f"{path} cannot be read as Parquet: {error}") from error


def _parsed(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise InvalidInputError(f"{path}:{number} is no JSON: {error}") from error


def _document(path: Path, origin: str, number: int, row: Any) -> Document:
    if not isinstance(row, Mapping) or not isinstance(row.get(_TEXT), str):
        has = sorted(row) if isinstance(row, Mapping) else type(row).__name__
        raise InvalidInputError(
            f"{path}:{number} must be a JSON object with a string {_TEXT!r}, got {has}"
        )
    licence = next((row[name] for name in _LICENCE if isinstance(row.get(name), str)), "")
    return Document(
        # A lone surrogate is no UTF-8: let it through here, so that it is counted as such.
        text=row[_TEXT].encode("utf-8", "surrogatepass"),
        name=f"line {number}",
        origin=origin,
        licence=licence,
    )
