"""The steps of a training run, laid out before the first."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.train.schedule import falls_from, warmup_steps
from bayeslaw.runs import Hyperparameters, Job

N_EVALUATIONS = 8


@dataclass(frozen=True, slots=True)
class Finish:
    """Say where a schedule ends: a branch of the trunk, or the trunk's own end.

    Attributes:
        n_tokens: Tokens the job asks for [count].
        n_sequences: Whole sequences in them [count].
        n_steps: Optimizer steps from the very first [count].
        leaves_at: First step past the peak rate, where a branch leaves the trunk.
    """

    n_tokens: int
    n_sequences: int
    n_steps: int
    leaves_at: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what steps a run takes, all known before the first.

    Attributes:
        hyperparameters: Of the job.
        batch_sequences: In one step [count]; the last step may have fewer.
        finishes: Branches in the order in which they leave the trunk, then the trunk's end.
    """

    hyperparameters: Hyperparameters
    batch_sequences: int
    finishes: tuple[Finish, ...]

    @classmethod
    def of(cls, job: Job) -> Plan:
        """Lay out a job's steps: its tokens, down to whole sequences."""
        if job.hyperparameters is None or job.n_tokens is None or job.corpus is None:
            raise InvalidInputError(f"job {job.run_id!r} is not a training job")
        hyperparameters = job.hyperparameters
        finishes = [
            _finish(n_tokens, hyperparameters) for n_tokens in (*job.branches, job.n_tokens)
        ]
        if (room := finishes[0].leaves_at) < (n_warmup := warmup_steps(hyperparameters)):
            raise InvalidInputError(
                f"a run of {finishes[0].n_tokens} tokens has {room} steps before its rate falls, "
                f"its warm-up takes {n_warmup}; shorten warmup_tokens or decay_fraction, take a "
                f"smaller batch, or train longer"
            )
        batch_sequences = hyperparameters.batch_tokens // hyperparameters.seq_len
        return cls(hyperparameters, batch_sequences, tuple(finishes))

    @property
    def trunk(self) -> Finish:
        """The trunk's own end: the longest schedule."""
        return self.finishes[-1]

    @property
    def n_steps(self) -> int:
        """Optimizer steps of the longest schedule [count]."""
        return self.trunk.n_steps

    def sequences_of(self, step: int, finish: Finish) -> tuple[int, int]:
        """Return the number of a step's first training sequence, and how many it reads."""
        first = step * self.batch_sequences
        return first, min(self.batch_sequences, finish.n_sequences - first)

    def tokens_after(self, step: int) -> int:
        """Return the tokens seen after ``step`` steps of the trunk [count]."""
        sequences = min(step * self.batch_sequences, self.trunk.n_sequences)
        return sequences * self.hyperparameters.seq_len

    @property
    def evaluation_steps(self) -> frozenset[int]:
        """Steps after which the trunk is evaluated on the way; the last is not among them."""
        marks = (round(self.n_steps * part / N_EVALUATIONS) for part in range(N_EVALUATIONS))
        return frozenset(mark for mark in marks if mark < self.n_steps)


def _finish(n_tokens: int, hyperparameters: Hyperparameters) -> Finish:
    n_sequences = n_tokens // hyperparameters.seq_len
    if n_sequences < 1:
        raise InvalidInputError(
            f"n_tokens must be at least one sequence of {hyperparameters.seq_len} tokens, "
            f"got {n_tokens}"
        )
    n_steps = math.ceil(n_sequences * hyperparameters.seq_len / hyperparameters.batch_tokens)
    return Finish(n_tokens, n_sequences, n_steps, falls_from(n_steps, hyperparameters))
