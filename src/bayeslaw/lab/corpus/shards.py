"""Tokens on disk: files of bounded size, written as a stream and read through memory maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bayeslaw.errors import InvalidInputError

SHARD_BYTES = 2**28


class ShardWriter:
    """Write one split's tokens as ``SPLIT-00000.bin``, ``SPLIT-00001.bin`` and on.

    All but the last shard have the same number of tokens. `close` it before you read its
    ``sha256``, which is of all tokens in a row, however they are cut.

    Args:
        folder: Where the shards go.
        split: First part of their names.
        dtype: Of the tokens.
        shard_bytes: Largest shard; a multiple of the token's size [byte].
    """

    def __init__(
        self, folder: Path, split: str, dtype: np.dtype, shard_bytes: int | None = None
    ) -> None:
        self.names: list[str] = []
        self.shard_bytes = SHARD_BYTES if shard_bytes is None else shard_bytes
        self.n_tokens = 0
        self._folder, self._split, self._dtype = folder, split, dtype
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._room = 0

    @property
    def sha256(self) -> str:
        """Hash of all bytes written so far."""
        return self._hash.hexdigest()

    def write(self, tokens: bytes) -> None:
        """Append tokens, given as their bytes."""
        self._hash.update(tokens)
        self.n_tokens += len(tokens) // self._dtype.itemsize
        while tokens:
            if not self._room:
                self._next_shard()
            assert self._file is not None
            part = tokens[: self._room]
            self._file.write(part)
            self._room -= len(part)
            tokens = tokens[len(part) :]

    def close(self) -> None:
        """Finish the last shard."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._room = 0

    def _next_shard(self) -> None:
        self.close()
        self.names.append(f"{self._split}-{len(self.names):05d}.bin")
        self._file = (self._folder / self.names[-1]).open("wb")
        self._room = self.shard_bytes


class TokenArray:
    """Read one split's tokens as if its shards were a single array; nothing is read ahead.

    It has a length and a ``dtype``; a slice (without a step) is an array, and so is ``np.asarray``
    of it, which reads everything.
    """

    def __init__(self, paths: Sequence[Path], dtype: np.dtype, n_tokens: int) -> None:
        """Map shards, checking that they are there and hold ``n_tokens`` in all."""
        self.dtype = dtype
        try:
            self._shards = [np.memmap(path, dtype=dtype, mode="r") for path in paths]
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"a shard of the corpus cannot be read ({error}); delete the folder "
                f"{paths[0].parent} and build it again"
            ) from error
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)])
        if len(self) != n_tokens:
            raise InvalidInputError(
                f"{', '.join(map(str, paths))} have {len(self)} tokens, the manifest says "
                f"{n_tokens}; delete the folder and build it again"
            )

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, where: slice) -> np.ndarray:
        start, stop, step = where.indices(len(self))
        if step != 1:
            raise InvalidInputError(f"tokens are read without a step, got {where}")
        parts = []
        shard = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            first = int(self._starts[shard])
            end = min(stop, int(self._starts[shard + 1]))
            parts.append(self._shards[shard][start - first : end - first])
            start, shard = end, shard + 1
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=self.dtype)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self[:], dtype=dtype or self.dtype)


def iterate_documents(
    tokens: TokenArray, separator: int, chunk_tokens: int = 2**22
) -> Iterator[bytes]:
    """Yield each document of byte-level tokens, reading a few megabytes at a time."""
    rest = b""
    for start in range(0, len(tokens), chunk_tokens):
        *documents, rest = (rest + tokens[start : start + chunk_tokens].tobytes()).split(
            bytes([separator])
        )
        yield from documents
