"""Turn text that is already on this machine into training, validation and test tokens."""

from __future__ import annotations

import hashlib
import json
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus.manifest import SPLITS, Manifest
from bayeslaw.lab.corpus.tokenizer import SEPARATOR, TOKENIZER_SHA256

PYTHON_SOURCES = "python-sources"
MAX_BYTES = 40_000_000
# Longer files are mostly generated tables; a few of them would be half of the validation text.
MAX_DOCUMENT_BYTES = 65_536
# Of 100 documents, by their hash: the first is for validation, the second for test.
_SPLIT_BUCKETS = 100


def build_corpus(
    source: str | Path, out_folder: str | Path, max_bytes: int = MAX_BYTES
) -> Manifest:
    """Build a corpus, or return the finished one that is already there.

    Documents are taken in the order of their path's hash until ``max_bytes`` of text are reached,
    so machines with the same packages agree on every byte. A document whose text was seen before
    is dropped, and its own hash puts it into train, validation or test (98/1/1).

    Args:
        source: ``python-sources`` (the .py files of the packages and of the standard library that
            this interpreter has) or a folder of text files.
        out_folder: Where ``train.bin``, ``validation.bin``, ``test.bin``, ``documents.json`` and
            ``manifest.json`` go; made whole or not at all.
        max_bytes: Most text to keep [byte].

    Raises:
        InvalidInputError: No such folder, no text in it, too little for all three splits, or
            ``out_folder`` holds something else.
    """
    out_folder = Path(out_folder)
    if (out_folder / "manifest.json").exists():
        manifest = Manifest.read(out_folder)
        _check_same(manifest, source, max_bytes, out_folder)
        return manifest
    if out_folder.exists() and any(out_folder.iterdir()):
        raise InvalidInputError(
            f"{out_folder} is not empty and holds no finished corpus; give an empty or new folder"
        )
    out_folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out_folder.name}-", dir=out_folder.parent))
    try:
        partial.chmod(0o755)
        _write_corpus(source, partial, max_bytes)
        _publish(partial, out_folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Manifest.read(out_folder)


def _publish(partial: Path, out_folder: Path) -> None:
    """Move a finished corpus into place; when another process was first, its corpus stays."""
    if out_folder.exists() and not any(out_folder.iterdir()):
        out_folder.rmdir()
    try:
        partial.rename(out_folder)
    except OSError:
        if not (out_folder / "manifest.json").exists():
            raise


def _check_same(manifest: Manifest, source: str | Path, max_bytes: int, folder: Path) -> None:
    asked = _source_name(source)
    if (manifest.source, manifest.max_bytes) != (asked, max_bytes):
        raise InvalidInputError(
            f"{folder} already holds a corpus of {manifest.source!r} with "
            f"max_bytes={manifest.max_bytes}, asked were {asked!r} and {max_bytes}; give another "
            f"folder or delete this one"
        )


def _write_corpus(source: str | Path, folder: Path, max_bytes: int) -> None:
    documents: dict[str, list[str]] = {split: [] for split in SPLITS}
    n_bytes: dict[str, int] = dict.fromkeys(SPLITS, 0)
    skipped = {"duplicate": 0, "not_utf8": 0, "too_long": 0, "empty": 0}
    seen: set[str] = set()
    files = {split: (folder / f"{split}.bin").open("wb") for split in SPLITS}
    try:
        for text in _documents(source, skipped):
            digest = hashlib.sha256(text).hexdigest()
            if digest in seen:
                skipped["duplicate"] += 1
                continue
            if sum(n_bytes.values()) + len(text) > max_bytes:
                break
            seen.add(digest)
            split = split_of(digest)
            files[split].write(text + bytes([SEPARATOR]))
            documents[split].append(digest)
            n_bytes[split] += len(text)
    finally:
        for file in files.values():
            file.close()
    if empty := [split for split in SPLITS if not n_bytes[split]]:
        raise InvalidInputError(
            f"{source} has too little text: {len(seen)} documents with {sum(n_bytes.values())} "
            f"bytes leave {empty} empty (1 of 100 documents each, by hash); give a folder with "
            f"some hundred documents or more"
        )
    (folder / "documents.json").write_text(json.dumps(documents, indent=0) + "\n")
    manifest = Manifest(
        source=_source_name(source),
        max_bytes=max_bytes,
        tokenizer_sha256=TOKENIZER_SHA256,
        n_documents={split: len(documents[split]) for split in SPLITS},
        n_bytes=n_bytes,
        n_tokens={split: n_bytes[split] + len(documents[split]) for split in SPLITS},
        sha256={split: _file_hash(folder / f"{split}.bin") for split in SPLITS},
        n_skipped=skipped,
    )
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def split_of(document_sha256: str) -> str:
    """Return the split that a document's own hash puts it in.

    >>> split_of("00" * 32), split_of("00" * 7 + "01" + "00" * 24), split_of("ff" * 32)
    ('validation', 'test', 'train')
    """
    bucket = int(document_sha256[:16], 16) % _SPLIT_BUCKETS
    return {0: "validation", 1: "test"}.get(bucket, "train")


def _documents(source: str | Path, skipped: dict[str, int]) -> Iterator[bytes]:
    found = [(hashlib.sha256(name.encode()).digest(), path) for name, path in _named_files(source)]
    if not found:
        raise InvalidInputError(f"{source} has no text files")
    for _, path in sorted(found):
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            skipped["too_long"] += 1
            continue
        text = path.read_bytes()
        if not text.strip():
            skipped["empty"] += 1
        elif not _is_utf8(text):
            skipped["not_utf8"] += 1
        else:
            yield text


def _named_files(source: str | Path) -> Iterator[tuple[str, Path]]:
    """Yield files with a name that does not depend on where they are installed."""
    if source == PYTHON_SOURCES:
        paths = sysconfig.get_paths()
        for root_name, root in (("packages", paths["purelib"]), ("stdlib", paths["stdlib"])):
            yield from (
                (f"{root_name}/{path.relative_to(root).as_posix()}", path)
                for path in Path(root).rglob("*.py")
                if not (root_name == "stdlib" and "site-packages" in path.parts)
                and path.relative_to(root).parts[0] != "bayeslaw"
            )
        return
    root = Path(source)
    if not root.is_dir():
        raise InvalidInputError(
            f"a corpus source is {PYTHON_SOURCES!r} or a folder of text files, got {source!r}"
        )
    for path in root.rglob("*"):
        if path.is_file():
            yield path.relative_to(root).as_posix(), path


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _source_name(source: str | Path) -> str:
    return PYTHON_SOURCES if source == PYTHON_SOURCES else str(Path(source).resolve())


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
