"""A file or folder of text, JSON lines or Parquet, told apart by how their names end."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from functools import partial
from pathlib import Path

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus.document import MAX_DOCUMENT_BYTES, Document, Source, Workspace
from bayeslaw.lab.corpus.sources.rows import read_jsonl, read_parquet

_JSON_LINES = (".jsonl", ".jsonl.gz")
_PARQUET = ".parquet"


def file_source(path: Path) -> Source:
    """Return the text of a file, or of all files below a folder.

    Files ending in ``.jsonl``, ``.jsonl.gz`` and ``.parquet`` have a document a row, in the field
    ``text``, with its licence in ``license`` or ``licence`` if there is one; any other file is a
    document. Files come in the order of their names' hashes, so a cap takes a fair sample of a
    folder; rows come as they stand.

    Raises:
        InvalidInputError: There is no such file or folder, or the folder is empty.
    """
    names = _names(path)
    is_plain = not any(name.endswith((".gz", _PARQUET)) for name in names)
    return Source(
        name=str(path.resolve()),
        read=partial(_read, path, names),
        n_bytes=sum((path / name).stat().st_size for name in names) if is_plain else None,
    )


def _names(path: Path) -> list[str]:
    if path.is_file():
        return [""]
    if not path.is_dir():
        raise InvalidInputError(
            f"a corpus source is 'python-sources', 'debian-docs', 'hf:NAME', or a file or folder "
            f"of text, .jsonl, .jsonl.gz or .parquet, got {str(path)!r}"
        )
    names = [found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()]
    if not names:
        raise InvalidInputError(f"{path} has no files")
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def _read(root: Path, names: list[str], workspace: Workspace) -> Generator[Document, None, None]:
    for name in names:
        path = root / name
        if path.name.endswith(_JSON_LINES):
            yield from read_jsonl(path, origin=path.name)
        elif path.name.endswith(_PARQUET):
            yield from read_parquet(path, origin=path.name)
        else:
            with path.open("rb") as file:
                yield Document(text=file.read(MAX_DOCUMENT_BYTES + 1), name=name or root.name)
