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
            candidate: Architecture and training tokens. For a job with branches these are the
                trunk's, so a recipe whose numbers depend on tokens gives the branches the numbers
                of the longest run; one that does not gives each branch what a run of its length
                would have had.
            seq_len: Tokens of a training sequence [count].
        """
        ...


def whole_batches(batch_tokens: float, seq_len: int, n_tokens: int, min_steps: int) -> int:
    """Round a batch to whole sequences, and keep at least ``min_steps`` optimizer steps."""
    most = max(seq_len, n_tokens // min_steps)
    n_sequences = max(1, round(min(batch_tokens, most) / seq_len))
    return n_sequences * seq_len


def warmup_tokens(candidate: Candidate) -> int:
    """Return one token a body weight, at most a fifth of the run.

    So it is the same for all runs of one shape from 5 tokens a weight on, and a branch starts as
    a run of its length would.
    """
    return min(candidate.architecture.n_params_body, candidate.n_tokens // 5)
