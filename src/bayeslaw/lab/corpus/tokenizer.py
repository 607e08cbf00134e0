"""What tokens mean: byte-level text, or byte-pair symbols that a corpus brings along.

At byte level a token is a byte of UTF-8 text. The document separator is byte 0xFF, which valid
UTF-8 never contains, so 256 symbols say everything, a token fits one byte on disk and the
vocabulary is a multiple of 64.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from bayeslaw.errors import InvalidInputError

VOCAB_SIZE = 256
SEPARATOR = 0xFF
TOKENIZER = "bytes; separator 0xFF after each document; vocabulary 256"
TOKENIZER_SHA256 = hashlib.sha256(TOKENIZER.encode()).hexdigest()
# A space is no symbol of byte-level BPE (it writes one as U+0120), so no text ever makes this one.
BPE_SEPARATOR = "<document separator>"


@dataclass(frozen=True)
class Tokenizer:
    """Say what a corpus's tokens stand for.

    Attributes:
        name: ``bytes`` or ``bpe``.
        vocab_size: Symbols, the separator among them; a multiple of 64 [count].
        separator: Token after each document.
        sha256: Of the tokenizer's description: ``tokenizer.json`` for ``bpe``.
        symbols: Text of each token, in bytes; the separator's is empty.
    """

    name: str
    vocab_size: int
    separator: int
    sha256: str
    symbols: tuple[bytes, ...] = field(repr=False)

    @property
    def dtype(self) -> np.dtype:
        """Smallest unsigned type that holds a token; little-endian on every machine."""
        return token_dtype(self.vocab_size)

    @cached_property
    def _n_bytes(self) -> np.ndarray:
        return np.array([len(symbol) for symbol in self.symbols], dtype=np.int64)

    def n_bytes_of(self, tokens: np.ndarray) -> int:
        """Return how many bytes of text tokens stand for; a separator stands for none [byte].

        >>> BYTES.n_bytes_of(np.array([104, 195, 169, 255], dtype=np.uint8))
        3
        """
        return int(self._n_bytes[np.asarray(tokens)].sum())

    def decode(self, tokens: np.ndarray) -> str:
        """Return the text of tokens; separators become blank lines, broken characters U+FFFD."""
        symbols = list(self.symbols)
        symbols[self.separator] = b"\n\n"
        text = b"".join([symbols[token] for token in np.asarray(tokens).tolist()])
        return text.decode("utf-8", errors="replace")


BYTES = Tokenizer(
    name="bytes",
    vocab_size=VOCAB_SIZE,
    separator=SEPARATOR,
    sha256=TOKENIZER_SHA256,
    symbols=tuple(bytes([i]) if i != SEPARATOR else b"" for i in range(VOCAB_SIZE)),
)


def token_dtype(vocab_size: int) -> np.dtype:
    """Return the type of a shard's tokens.

    >>> [token_dtype(n).itemsize for n in (256, 257, 65_536, 65_537)]
    [1, 2, 2, 4]
    """
    return np.dtype("u1" if vocab_size <= 2**8 else "<u2" if vocab_size <= 2**16 else "<u4")


def read_bpe(path: str | Path) -> Tokenizer:
    """Read a ``tokenizer.json`` of byte-level BPE; needs no package.

    Raises:
        InvalidInputError: No such file, or not one that `build_corpus` wrote.
    """
    try:
        content = Path(path).read_bytes()
        vocabulary = json.loads(content)["model"]["vocab"]
        separator = vocabulary.pop(BPE_SEPARATOR)
        values = {character: byte for byte, character in enumerate(byte_characters())}
        symbols = [b""] * (len(vocabulary) + 1)
        for text, token in vocabulary.items():
            symbols[token] = bytes(values[character] for character in text)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InvalidInputError(
            f"{path} is not the byte-level BPE tokenizer of a corpus ({error!r}); build the corpus "
            f"again into a new folder"
        ) from error
    return Tokenizer(
        name="bpe",
        vocab_size=len(symbols),
        separator=separator,
        sha256=hashlib.sha256(content).hexdigest(),
        symbols=tuple(symbols),
    )


def byte_characters() -> list[str]:
    """Return the printable character that byte-level BPE writes for each byte.

    Source: GPT-2's ``bytes_to_unicode``: bytes that print stand for themselves, the others for
    the code points from 256 on.

    >>> characters = byte_characters()
    >>> characters[ord("a")], characters[ord(" ")], len(set(characters))
    ('a', 'Ġ', 256)
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def encode(text: str) -> np.ndarray:
    """Return a text's byte-level tokens, uint8 ``(token,)``, without a separator.

    >>> encode("hé").tolist()
    [104, 195, 169]
    """
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)


def decode(tokens: np.ndarray) -> str:
    """Return the text of byte-level tokens, as `Tokenizer.decode` does, but fast."""
    text = np.asarray(tokens, dtype=np.uint8).tobytes()
    return text.replace(bytes([SEPARATOR]), b"\n\n").decode("utf-8", errors="replace")
