"""Turn text into training, validation and test tokens, as a stream."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus import bpe
from bayeslaw.lab.corpus.document import Notify, Source, Workspace
from bayeslaw.lab.corpus.manifest import SPLITS, Manifest
from bayeslaw.lab.corpus.publishing import publishing
from bayeslaw.lab.corpus.shards import ShardWriter, TokenArray, iterate_documents
from bayeslaw.lab.corpus.sources import open_source
from bayeslaw.lab.corpus.splitting import Splits, split_documents
from bayeslaw.lab.corpus.tokenizer import BYTES, Tokenizer

TokenizerName = Literal["bytes", "bpe"]


def build_corpus(
    source: str | Path,
    out_folder: str | Path,
    max_bytes: int | None = None,
    *,
    tokenizer: TokenizerName = "bytes",
    vocab_size: int | None = None,
    licence: str = "",
    notify: Notify | None = None,
) -> Manifest:
    """Build a corpus, or return the finished one that is already there.

    A document is left out where its text was seen before, and its own hash puts it into train,
    validation or test (98/1/1). Nothing is held whole in memory. A corpus is made whole or not at
    all: it is written beside ``out_folder`` and moved there at the end.

    Args:
        source: ``python-sources`` (the .py files of the standard library and of the packages that
            bayeslaw needs), ``debian-docs`` (manuals and dictionaries of Debian, by apt), a
            file or folder of text, ``.jsonl``, ``.jsonl.gz`` or ``.parquet``, or ``hf:NAME`` for a
            Hugging Face data set, which may be a local folder.
        out_folder: Where token shards, ``documents.jsonl``, ``manifest.json`` and, with ``bpe``,
            ``tokenizer.json`` go.
        max_bytes: Most text to keep; None is 40 MB of ``python-sources`` and all of any other
            source. Documents come in the order of their names' hashes, rows of a file or data set
            in their own [byte].
        tokenizer: ``bytes``, or ``bpe`` learnt here from a sample of the training text.
        vocab_size: Symbols of ``bpe``, a multiple of 64; 16,384 by default [count].
        licence: Of documents that do not say their own.
        notify: Hears ``(stage, bytes done, bytes in all or None)`` now and then.

    Raises:
        InvalidInputError: The source is not there or has too little text for all three splits, or
            ``out_folder`` holds something else.
        UnavailableError: The source or tokenizer needs a package or program that is not there.
        LabError: The disk is full.
    """
    if max_bytes is not None and max_bytes < 1:
        raise InvalidInputError(f"max_bytes must be at least 1, got {max_bytes}")
    vocab_size = _vocab_size(tokenizer, vocab_size)
    out_folder = Path(out_folder)
    text = open_source(source)
    max_bytes = text.max_bytes if max_bytes is None else max_bytes
    asked = {
        "source": text.name,
        "max_bytes": max_bytes,
        "max_document_bytes": text.max_document_bytes,
        "tokenizer": tokenizer,
        "vocab_size": vocab_size,
        "licence": licence,
    }
    if (out_folder / "manifest.json").exists():
        return _same(out_folder, asked)
    if out_folder.exists() and (not out_folder.is_dir() or any(out_folder.iterdir())):
        raise InvalidInputError(
            f"{out_folder} is not empty and holds no finished corpus; give an empty or new folder"
        )
    with publishing(out_folder) as folder:
        _write_corpus(text, folder, asked, notify or (lambda *_: None))
    return _same(out_folder, asked)


def _vocab_size(tokenizer: str, vocab_size: int | None) -> int:
    if tokenizer == "bytes":
        if vocab_size not in (None, BYTES.vocab_size):
            raise InvalidInputError(
                f"byte-level tokens have a vocabulary of {BYTES.vocab_size}, asked were "
                f"{vocab_size}; take tokenizer 'bpe' for another"
            )
        return BYTES.vocab_size
    if tokenizer != "bpe":
        raise InvalidInputError(f"tokenizer must be 'bytes' or 'bpe', got {tokenizer!r}")
    vocab_size = bpe.VOCAB_SIZE if vocab_size is None else vocab_size
    bpe.check_vocab_size(vocab_size)
    bpe.require_tokenizers()
    return vocab_size


def _same(folder: Path, asked: dict[str, object]) -> Manifest:
    """Return the corpus that is there, if it is what was asked."""
    manifest = Manifest.read(folder)
    differing = [
        f"{name} {getattr(manifest, name)!r}, asked was {value!r}"
        for name, value in asked.items()
        if getattr(manifest, name) != value
    ]
    if differing:
        raise InvalidInputError(
            f"{folder} already holds a corpus with {'; '.join(differing)}: give another folder or "
            f"delete this one"
        )
    return manifest


def _write_corpus(source: Source, folder: Path, asked: dict, notify: Notify) -> None:
    scratch = folder / ".scratch"
    scratch.mkdir()
    workspace = Workspace(scratch=scratch, folder=folder, notify=notify)
    is_bytes = asked["tokenizer"] == "bytes"
    # Byte-level text is the corpus itself, or what the tokenizer is learnt from.
    bytes_folder = folder if is_bytes else scratch
    splits = split_documents(source, workspace, bytes_folder, asked["max_bytes"], asked["licence"])
    _check_enough(source, splits)
    if is_bytes:
        tokenizer, n_sample_bytes, writers = BYTES, 0, splits.writers
    else:
        texts = {split: _tokens(scratch, writer) for split, writer in splits.writers.items()}
        tokenizer, n_sample_bytes = _train_bpe(texts["train"], asked["vocab_size"], folder, notify)
        writers = {
            split: _encode(split, tokens, folder, tokenizer, notify)
            for split, tokens in texts.items()
        }
    shutil.rmtree(scratch)
    Manifest(
        **asked,
        separator=tokenizer.separator,
        tokenizer_sha256=tokenizer.sha256,
        tokenizer_sample_bytes=n_sample_bytes,
        duplicates="same text" if source.is_exact else "same text but for white space",
        is_whole=splits.is_whole,
        n_documents={split: splits.n_documents[split] for split in SPLITS},
        n_bytes={split: splits.n_bytes[split] for split in SPLITS},
        n_tokens={split: writers[split].n_tokens for split in SPLITS},
        shards={split: writers[split].names for split in SPLITS},
        sha256={split: writers[split].sha256 for split in SPLITS},
        n_skipped=dict(sorted(workspace.skipped.items())),
        licences=dict(splits.licences.most_common()),
        origins=workspace.origins,
    ).write(folder)


def _check_enough(source: Source, splits: Splits) -> None:
    if empty := [split for split in SPLITS if not splits.n_documents[split]]:
        raise InvalidInputError(
            f"{source.name} has too little text: {splits.n_documents.total()} documents with "
            f"{splits.n_bytes.total()} bytes leave {empty} empty (1 of 100 documents each, by "
            f"hash); give a source with some hundred documents or more"
        )


def _tokens(folder: Path, writer: ShardWriter) -> TokenArray:
    return TokenArray([folder / name for name in writer.names], BYTES.dtype, writer.n_tokens)


def _train_bpe(
    train: TokenArray, vocab_size: int, folder: Path, notify: Notify
) -> tuple[Tokenizer, int]:
    """Learn from every k-th training document, so that the sample is of all parts of the text."""
    every = -(-len(train) // bpe.SAMPLE_BYTES)
    n_bytes = 0

    def sample() -> Iterator[bytes]:
        nonlocal n_bytes
        for number, text in enumerate(iterate_documents(train, BYTES.separator)):
            if number % every == 0:
                n_bytes += len(text)
                yield text

    notify("learning symbols", 0, None)
    return bpe.train_bpe(sample(), vocab_size, folder / "tokenizer.json"), n_bytes


def _encode(
    split: str, tokens: TokenArray, folder: Path, tokenizer: Tokenizer, notify: Notify
) -> ShardWriter:
    n_bytes = 0
    with closing(ShardWriter(folder, split, tokenizer.dtype)) as writer:
        documents = iterate_documents(tokens, BYTES.separator)
        for n_read, encoded in bpe.encode_documents(
            documents, folder / "tokenizer.json", tokenizer
        ):
            writer.write(encoded.tobytes())
            n_bytes += n_read
            notify(f"encoding {split}", n_bytes, len(tokens))
    return writer
