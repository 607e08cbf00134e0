"""How a network of a given shape is trained."""

from __future__ import annotations

from typing import Protocol

from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Candidate


class Recipe(Protocol):
    """Resolve a candidate into numbers a trainer needs; never one rate for all shapes."""

    def __call__(self, candidate: Candidate, seq_len: int) -> Hyperparameters:
        """Return the hyper-parameters of one run.

        Args:
            candidate: Architecture and training tokens.
            seq_len: Tokens of a training sequence [count].
        """
        ...


def whole_batches(batch_tokens: float, seq_len: int, n_tokens: int, min_steps: int) -> int:
    """Round a batch to whole sequences, and keep at least ``min_steps`` optimizer steps."""
    most = max(seq_len, n_tokens // min_steps)
    n_sequences = max(1, round(min(batch_tokens, most) / seq_len))
    return n_sequences * seq_len
