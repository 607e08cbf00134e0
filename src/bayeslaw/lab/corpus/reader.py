"""Training and evaluation sequences of a corpus, each a pure function of its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.corpus.manifest import SPLITS, Manifest
from bayeslaw.lab.corpus.shards import TokenArray
from bayeslaw.lab.corpus.tokenizer import BYTES, Tokenizer, read_bpe

EVALUATION_TOKENS = 65_536
# The evaluation set is the same for every run that may be compared, so its seed is not a job's.
_EVALUATION_SEED = 20_240_229


@dataclass(frozen=True)
class Corpus:
    """Read token sequences from a corpus folder.

    Attributes:
        manifest: What the folder holds.
        tokenizer: What its tokens stand for.
        train: Training tokens, mapped from disk.
        validation: Validation tokens, likewise.
        test: Test tokens, likewise; nothing in the lab reads them.
    """

    manifest: Manifest
    tokenizer: Tokenizer
    train: TokenArray
    validation: TokenArray
    test: TokenArray

    @classmethod
    def open(cls, folder: str | Path) -> Corpus:
        """Open a folder that `build_corpus` finished.

        Raises:
            InvalidInputError: It is none, or a file of it is missing or damaged.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        tokenizer = (
            BYTES if manifest.tokenizer == BYTES.name else read_bpe(folder / "tokenizer.json")
        )
        if tokenizer.sha256 != manifest.tokenizer_sha256:
            raise InvalidInputError(
                f"{folder} has another tokenizer than its tokens were made with; delete the folder "
                f"and build it again"
            )
        tokens = {
            split: TokenArray(
                [folder / name for name in manifest.shards[split]],
                tokenizer.dtype,
                manifest.n_tokens[split],
            )
            for split in SPLITS
        }
        return cls(manifest=manifest, tokenizer=tokenizer, **tokens)

    @property
    def vocab_size(self) -> int:
        """How many kinds of tokens there are [count]."""
        return self.tokenizer.vocab_size

    def n_bytes_of(self, tokens: np.ndarray) -> int:
        """Return how many bytes of text tokens stand for [byte]; separators are no text."""
        return self.tokenizer.n_bytes_of(tokens)

    def training_batch(
        self, seed: int, first_sequence: int, n_sequences: int, seq_len: int
    ) -> np.ndarray:
        """Return sequences number ``first_sequence`` and on of an endless, shuffled stream.

        An epoch cuts the training text into windows of ``seq_len`` from a new offset and visits
        them in a new order; both follow from ``(seed, epoch)`` alone, so a run can be taken up
        anywhere.

        Returns:
            Tokens ``(sequence, seq_len + 1)`` of the shards' type: inputs and, one later, targets.
        """
        n_windows = self.sequences_per_epoch(seq_len)
        numbers = np.arange(first_sequence, first_sequence + n_sequences)
        batch = np.empty((n_sequences, seq_len + 1), dtype=self.tokenizer.dtype)
        for row, number in enumerate(numbers):
            order, offset = _epoch_order(seed, int(number // n_windows), n_windows, seq_len)
            start = offset + int(order[number % n_windows]) * seq_len
            batch[row] = self.train[start : start + seq_len + 1]
        return batch

    def sequences_per_epoch(self, seq_len: int) -> int:
        """Return how many training windows an epoch has [count]."""
        n_windows = (len(self.train) - seq_len - 1) // seq_len
        if n_windows < 1:
            raise InvalidInputError(
                f"the corpus has {len(self.train)} training tokens, too few for seq_len={seq_len}"
            )
        return n_windows

    def evaluation_set(self, seq_len: int, n_tokens: int = EVALUATION_TOKENS) -> np.ndarray:
        """Return the fixed validation sequences, tokens ``(sequence, seq_len + 1)``.

        They are spread over all validation text in a fixed shuffled order, so the first few of
        them are a fair sample too. A short validation text gives all its windows, fewer than
        ``n_tokens``; the training record says how many.
        """
        n_windows = (len(self.validation) - 1) // seq_len
        if n_windows < 2:
            raise InvalidInputError(
                f"the corpus has {len(self.validation)} validation tokens, too few for two "
                f"sequences of seq_len={seq_len}; give more text or a shorter seq_len"
            )
        shuffled = np.random.default_rng(_EVALUATION_SEED).permutation(n_windows)
        starts = shuffled[: max(2, n_tokens // seq_len)] * seq_len
        return np.stack([self.validation[start : start + seq_len + 1] for start in starts.tolist()])


@lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, n_windows: int, seq_len: int) -> tuple[np.ndarray, int]:
    generator = np.random.default_rng([seed, epoch])
    return generator.permutation(n_windows), int(generator.integers(seq_len))
