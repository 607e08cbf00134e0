"""Documents into three splits: checked, deduplicated, as bytes, with a line about each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bayeslaw.lab.corpus.document import Document, Source, Workspace
from bayeslaw.lab.corpus.manifest import SPLITS
from bayeslaw.lab.corpus.shards import ShardWriter
from bayeslaw.lab.corpus.tokenizer import SEPARATOR

# Of 100 documents, by their hash: the first is for validation, the second for test.
_SPLIT_BUCKETS = 100
# All of ASCII that str.split() takes for white space.
_WHITE_SPACE = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "
_DIGEST_BYTES = 16
_NOTIFY_BYTES = 2**20


@dataclass(frozen=True)
class Splits:
    """Tell what went into byte shards; every mapping with splits is by split.

    Attributes:
        writers: Of the shards, closed.
        n_documents: Distinct documents [count].
        n_bytes: Text without separators [byte].
        licences: Documents by licence [count].
        is_whole: Whether the source ended before the cap.
    """

    writers: dict[str, ShardWriter]
    n_documents: Counter[str] = field(default_factory=Counter)
    n_bytes: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    is_whole: bool = True


def split_documents(
    source: Source, workspace: Workspace, folder: Path, max_bytes: int | None, licence: str
) -> Splits:
    """Write a source's documents as byte shards into ``folder``, until ``max_bytes`` of text.

    ``documents.jsonl`` goes into the corpus's own folder. Of what was seen, 16 bytes a document
    are remembered (85 bytes of memory each, measured: 1 GB holds eleven million documents).
    """
    splits = Splits({split: ShardWriter(folder, split, np.dtype("u1")) for split in SPLITS})
    seen: set[bytes] = set()
    n_bytes = notified = 0
    is_whole = True
    with (
        closing(splits.writers["train"]),
        closing(splits.writers["validation"]),
        closing(splits.writers["test"]),
        (workspace.folder / "documents.jsonl").open("w", encoding="utf-8") as lines,
        closing(source.read(workspace)) as documents,
    ):
        for document in documents:
            text = document.text
            if reason := _unfit(text, source.max_document_bytes):
                workspace.skipped[reason] += 1
                continue
            sha256 = hashlib.sha256(text).hexdigest()
            digest = sha256 if source.is_exact else hashlib.sha256(_without_space(text)).hexdigest()
            key = bytes.fromhex(digest)[:_DIGEST_BYTES]
            if key in seen:
                workspace.skipped["duplicate"] += 1
                continue
            if max_bytes is not None and n_bytes + len(text) > max_bytes:
                is_whole = False
                break
            seen.add(key)
            split = split_of(digest)
            splits.writers[split].write(text + bytes([SEPARATOR]))
            splits.n_documents[split] += 1
            splits.n_bytes[split] += len(text)
            splits.licences[document.licence or licence or "unknown"] += 1
            lines.write(_line(document, split, sha256, licence))
            n_bytes += len(text)
            if n_bytes - notified >= _NOTIFY_BYTES:
                notified = n_bytes
                workspace.notify("reading", n_bytes, _total(source.n_bytes, max_bytes))
    return Splits(splits.writers, splits.n_documents, splits.n_bytes, splits.licences, is_whole)


def split_of(document_sha256: str) -> str:
    """Return the split that a document's own hash puts it in.

    >>> split_of("00" * 32), split_of("00" * 7 + "01" + "00" * 24), split_of("ff" * 32)
    ('validation', 'test', 'train')
    """
    bucket = int(document_sha256[:16], 16) % _SPLIT_BUCKETS
    return {0: "validation", 1: "test"}.get(bucket, "train")


def _unfit(text: bytes, max_document_bytes: int) -> str | None:
    if len(text) > max_document_bytes:
        return "too_long"
    if not text.strip():
        return "empty"
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            return "not_utf8"
    return None


def _without_space(text: bytes) -> bytes:
    """Return a text less all white space: two that differ in nothing else are one."""
    if text.isascii():
        return text.translate(None, _WHITE_SPACE)
    return "".join(text.decode().split()).encode()


def _line(document: Document, split: str, sha256: str, licence: str) -> str:
    values = {
        "split": split,
        "name": document.name,
        "origin": document.origin,
        "licence": document.licence or licence,
        "sha256": sha256,
        "n_bytes": len(document.text),
    }
    return json.dumps(values) + "\n"


def _total(n_bytes: int | None, max_bytes: int | None) -> int | None:
    known = [value for value in (n_bytes, max_bytes) if value is not None]
    return min(known) if known else None
