"""Byte-pair symbols learnt from a corpus's own training text. Needs the package tokenizers."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.corpus.tokenizer import BPE_SEPARATOR, Tokenizer, byte_characters, read_bpe

VOCAB_SIZE = 16_384
SAMPLE_BYTES = 32 * 2**20
# All 256 bytes and the separator, on the next multiple of 64.
_SMALLEST = 320
_LARGEST = 2**20
# Text that is encoded at once: enough to keep the threads of the package busy.
_BATCH_BYTES = 2**22


def check_vocab_size(vocab_size: int) -> None:
    """Refuse a vocabulary that `train_bpe` cannot make."""
    if vocab_size % 64 or not _SMALLEST <= vocab_size <= _LARGEST:
        raise InvalidInputError(
            f"a BPE vocabulary must be a multiple of 64 from {_SMALLEST} to {_LARGEST}, got "
            f"{vocab_size}"
        )


def require_tokenizers() -> Any:
    """Return the package tokenizers, or say how to install it."""
    try:
        return importlib.import_module("tokenizers")
    except ImportError as error:
        raise UnavailableError(
            f"a BPE corpus needs the package tokenizers ({error}): pip install 'bayeslaw[text]', "
            f"or take tokenizer 'bytes'"
        ) from error


def train_bpe(texts: Iterable[bytes], vocab_size: int, path: Path) -> Tokenizer:
    """Learn byte-level BPE from documents and write it as ``tokenizer.json``.

    GPT-2's rule cuts text into words first. The separator is a symbol that no text can make, and
    no text is taken for it: what documents say is never a command.

    Args:
        texts: UTF-8 documents.
        vocab_size: Symbols, the separator among them; a multiple of 64 [count].
        path: Where to write; Hugging Face's libraries read the file too.

    Raises:
        InvalidInputError: The text has too few different words for so many symbols.
        UnavailableError: tokenizers is not installed.
    """
    check_vocab_size(vocab_size)
    package = require_tokenizers()
    tokenizer = package.Tokenizer(package.models.BPE())
    tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = package.decoders.ByteLevel()
    trainer = package.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[BPE_SEPARATOR],
        initial_alphabet=byte_characters(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.decode() for text in texts), trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise InvalidInputError(
            f"the training text gives {tokenizer.get_vocab_size()} symbols, asked were "
            f"{vocab_size}; ask for a smaller vocabulary or give more text"
        )
    content = json.loads(tokenizer.to_str())
    # As an added token it would be looked for in the text; in the vocabulary it is a number.
    content["added_tokens"] = []
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    return read_bpe(path)


def encode_documents(
    texts: Iterable[bytes], path: Path, tokenizer: Tokenizer
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(bytes of text read, tokens)`` for some documents at a time.

    Tokens have the type of the corpus's shards, and a separator after each document.
    """
    encoder = require_tokenizers().Tokenizer.from_file(str(path))
    for batch in _batches(texts):
        encoded = encoder.encode_batch_fast([text.decode() for text in batch])
        ids = [token for document in encoded for token in (*document.ids, tokenizer.separator)]
        yield sum(map(len, batch)), np.array(ids, dtype=tokenizer.dtype)


def _batches(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    n_bytes = 0
    for text in texts:
        batch.append(text)
        n_bytes += len(text)
        if n_bytes >= _BATCH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch
