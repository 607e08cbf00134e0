"""The steps of a training run, laid out before the first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Hyperparameters, Job

N_EVALUATIONS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what steps a run takes, all known before the first.

    Attributes:
        hyperparameters: Of the job.
        n_sequences: Training sequences in all [count].
        batch_sequences: In one step [count]; the last step may have fewer.
        n_steps: Optimizer steps [count].
    """

    hyperparameters: Hyperparameters
    n_sequences: int
    batch_sequences: int
    n_steps: int

    @classmethod
    def of(cls, job: Job) -> Plan:
        """Lay out a job's steps: its tokens, down to whole sequences."""
        if job.hyperparameters is None or job.n_tokens is None or job.corpus is None:
            raise InvalidInputError(f"job {job.run_id!r} is not a training job")
        hyperparameters = job.hyperparameters
        n_sequences = job.n_tokens // hyperparameters.seq_len
        if n_sequences < 1:
            raise InvalidInputError(
                f"n_tokens must be at least one sequence of {hyperparameters.seq_len} tokens, "
                f"got {job.n_tokens}"
            )
        batch_sequences = hyperparameters.batch_tokens // hyperparameters.seq_len
        n_steps = math.ceil(n_sequences / batch_sequences)
        return cls(hyperparameters, n_sequences, batch_sequences, n_steps)

    def tokens_after(self, step: int) -> int:
        """Return the tokens seen after ``step`` steps [count]."""
        sequences = min(step * self.batch_sequences, self.n_sequences)
        return sequences * self.hyperparameters.seq_len

    @property
    def evaluation_steps(self) -> frozenset[int]:
        """Steps after which the network is evaluated on the way; the last is not among them."""
        marks = (round(self.n_steps * part / N_EVALUATIONS) for part in range(N_EVALUATIONS))
        return frozenset(mark for mark in marks if mark < self.n_steps)
