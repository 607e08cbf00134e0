"""What a corpus folder holds, and how to know it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus.tokenizer import SEPARATOR, VOCAB_SIZE

SPLITS = ("train", "validation", "test")
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where documents came from.

    Attributes:
        name: Of the package or data set.
        version: As installed or downloaded; empty where there is none.
        licence: Of its documents; empty where nobody said.
        file: The licence's own text in the corpus folder, if it was to be had.
    """

    name: str
    version: str = ""
    licence: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describe a finished corpus; every mapping with splits is by split.

    ``documents.jsonl`` beside it has a line a document: split, name, origin, licence, sha256 and
    n_bytes.

    Attributes:
        source: ``python-sources``, ``debian-docs``, ``hf:NAME`` or the path it was built from.
        max_bytes: Cap it was built with; None is all of it [byte].
        max_document_bytes: Longer documents were left out [byte].
        licence: Given for documents that do not name their own.
        tokenizer: ``bytes`` or ``bpe``.
        vocab_size: Symbols, the separator among them [count].
        separator: Token after each document.
        tokenizer_sha256: Of the tokenizer's description.
        tokenizer_sample_bytes: Training text that the tokenizer was learnt from [byte].
        duplicates: What made a document a duplicate: ``same text``, or ``same text but for white
            space``.
        is_whole: Whether the source ended before the cap.
        n_documents: Distinct documents [count].
        n_bytes: Text without separators [byte].
        n_tokens: Text and separators [count].
        shards: Token files, in order.
        sha256: Of the token files in a row.
        n_skipped: What was left out, by reason [count].
        licences: Documents by licence; those that nobody licensed are under ``unknown`` [count].
        origins: Packages or data sets with versions.
        format: Of the folder.
    """

    source: str
    max_bytes: int | None
    max_document_bytes: int
    licence: str
    tokenizer: str
    vocab_size: int
    separator: int
    tokenizer_sha256: str
    tokenizer_sample_bytes: int
    duplicates: str
    is_whole: bool
    n_documents: dict[str, int]
    n_bytes: dict[str, int]
    n_tokens: dict[str, int]
    shards: dict[str, list[str]]
    sha256: dict[str, str]
    n_skipped: dict[str, int]
    licences: dict[str, int]
    origins: list[Origin]
    format: int = FORMAT

    @property
    def fingerprint(self) -> str:
        """Hash of tokenizer and all tokens: the same text, the same fingerprint."""
        parts = [self.tokenizer_sha256, *(self.sha256[split] for split in SPLITS)]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``."""
        (folder / "manifest.json").write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> Manifest:
        """Read a corpus folder's manifest, or say what is wrong with it."""
        path = Path(folder) / "manifest.json"
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"{folder} is not a finished corpus ({error}); build one with "
                f"`bayeslaw corpus build python-sources {folder}`"
            ) from error
        if values.get("format") == 1:
            values = _from_format_1(values)
        if values.get("format") != FORMAT or set(values) != {f.name for f in fields(cls)}:
            raise InvalidInputError(
                f"{path} has format {values.get('format')!r} and fields {sorted(values)}; this "
                f"bayeslaw reads formats 1 and {FORMAT}: build the corpus again into a new folder"
            )
        values["origins"] = [Origin(**origin) for origin in values["origins"]]
        return cls(**values)


def _from_format_1(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in what format 1 did not say: it was always bytes, one file a split."""
    return values | {
        "format": FORMAT,
        "max_document_bytes": 65_536,
        "licence": "",
        "tokenizer": "bytes",
        "vocab_size": VOCAB_SIZE,
        "separator": SEPARATOR,
        "tokenizer_sample_bytes": 0,
        "duplicates": "same text",
        "is_whole": False,
        "shards": {split: [f"{split}.bin"] for split in SPLITS},
        "licences": {"unknown": sum(values["n_documents"].values())},
        "origins": [],
    }
