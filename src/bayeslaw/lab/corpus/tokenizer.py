"""Byte-level tokens: a token is a byte of UTF-8 text.

The document separator is byte 0xFF, which valid UTF-8 never contains, so 256 symbols say
everything, a token fits one byte on disk and the vocabulary is a multiple of 64.
"""

from __future__ import annotations

import hashlib

import numpy as np

VOCAB_SIZE = 256
SEPARATOR = 0xFF
TOKENIZER = "bytes; separator 0xFF after each document; vocabulary 256"
TOKENIZER_SHA256 = hashlib.sha256(TOKENIZER.encode()).hexdigest()


def encode(text: str) -> np.ndarray:
    """Return a text's tokens, uint8 ``(token,)``, without a separator.

    >>> encode("hé").tolist()
    [104, 195, 169]
    """
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def decode(tokens: np.ndarray) -> str:
    """Return the text of tokens; separators become blank lines, broken characters U+FFFD."""
    text = np.asarray(tokens, dtype=np.uint8).tobytes()
    return text.replace(bytes([SEPARATOR]), b"\n\n").decode("utf-8", errors="replace")
