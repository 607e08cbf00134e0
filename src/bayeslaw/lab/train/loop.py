"""Training: from a job to its finished losses."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bayeslaw.errors import InvalidInputError, LabError
from bayeslaw.lab.attention import attention_backend
from bayeslaw.lab.corpus import Corpus
from bayeslaw.lab.machine import as_dtype, check_device
from bayeslaw.lab.network import Network
from bayeslaw.lab.settings import NetworkSettings
from bayeslaw.lab.train import interrupt
from bayeslaw.lab.train.checkpoint import Checkpoints, State, job_fingerprint
from bayeslaw.lab.train.evaluate import Evaluation, evaluate
from bayeslaw.lab.train.optimizer import build_optimizer
from bayeslaw.lab.train.plan import Finish, Plan
from bayeslaw.lab.train.progress import Progress
from bayeslaw.lab.train.record import training_record
from bayeslaw.lab.train.schedule import rate_fraction
from bayeslaw.lab.train.step import TrainingStep
from bayeslaw.lab.train.world import World
from bayeslaw.runs import Job, JobResult

Emit = Callable[[dict[str, Any]], None]

CHECKPOINT_SECONDS = 20.0
# On the way a part of the evaluation set will do; every finished loss is on all of it.
ON_THE_WAY_SEQUENCES = 64
# Reading a loss waits for the device, so it is looked at only so often.
CHECK_STEPS = 10


def train(
    job: Job,
    folder: str | Path,
    emit: Emit = lambda line: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> JobResult:
    """Train a job's network and measure its finished losses.

    A job with branches trains one trunk and finishes it several times: where a branch's rate
    starts to fall the trunk is kept aside, the branch decays and is measured, and the trunk goes
    on. A branch's weights are those of a run of its length, to the last bit on the CPU.

    A run that was killed goes on from its checkpoint in ``folder`` and, on the CPU with the same
    threads, ends with the same losses to the last bit.

    Args:
        job: Of kind ``train``. The caller has set ``torch.set_num_threads(job.threads)``.
        folder: The job's own; holds the checkpoint, which the caller removes once the result is
            safe.
        emit: Called with ``{"run_id", "step", "n_steps", "tokens", "loss_nats"}`` after each
            evaluation of the trunk.
        checkpoint_seconds: Wall time between checkpoints [s].

    Returns:
        A ``done`` result, or a ``failed`` one when the loss stopped being a number or diverged;
        branches that finished before are in either.

    Raises:
        InvalidInputError: The job cannot be trained as it is.
        UnavailableError: Its device or attention kernel is not here.
        LabError: The folder holds another job's checkpoint, or one that cannot be read or written.
        Interrupted: The process was told to stop; the state is saved.
    """
    plan = Plan.of(job)
    corpus = Corpus.open(str(job.corpus))
    run = _Run(job, plan, corpus, Path(folder), emit, checkpoint_seconds)
    final, reason = None, ""
    try:
        final = run.finish_all()
    except _DivergedError as error:
        reason = str(error)
    finally:
        run.close()
    progress = run.progress
    shared: dict[str, Any] = {
        "run_id": job.run_id,
        "kind": "train",
        "curve": progress.curve,
        "branches": progress.branches,
        "seconds": progress.total_seconds,
    }
    record = training_record(job, plan, progress, corpus, run.network, run.world)
    if final is None:
        return JobResult(status="failed", reason=reason, record=record, **shared)
    record |= {
        "evaluation_tokens": final.n_tokens,
        "evaluation_sequences": final.n_sequences,
        "curve_sequences": min(ON_THE_WAY_SEQUENCES, final.n_sequences),
    }
    return JobResult(status="done", finished=True, record=record, **final.to_dict(), **shared)


class _DivergedError(LabError):
    """The loss is not a number or went up for good."""


class _Run:
    """One job under way: what it reads, changes and writes."""

    def __init__(
        self, job: Job, plan: Plan, corpus: Corpus, folder: Path, emit: Emit, every: float
    ) -> None:
        dtype = _check(job, corpus)
        self.job, self.plan, self.corpus, self._emit, self._every = job, plan, corpus, emit, every
        hyperparameters = plan.hyperparameters
        self.world = World.join(job.device)
        for finish in plan.finishes:
            self.world.share(plan.sequences_of(finish.n_steps - 1, finish)[1])
        attention = attention_backend(job.attention, job.device, dtype, job.architecture.head_dim)
        settings = NetworkSettings(
            embedding_std=hyperparameters.embedding_std,
            recompute_activations=job.recompute_activations,
        )
        self.network = Network(
            job.architecture, attention, hyperparameters.seq_len, job.seed, settings
        ).to(self.world.device)
        self._state = State(self.network, build_optimizer(self.network, hyperparameters))
        self._autocast = torch.autocast(
            job.device, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16
        )
        self._step = TrainingStep(
            self.network,
            self._state.optimizer,
            self.world,
            grad_clip=hyperparameters.grad_clip,
            autocast=self._autocast,
            micro_sequences=_micro_sequences(job),
            compile=job.compile,
        )
        self._checkpoints = Checkpoints(folder, job_fingerprint(job, corpus.manifest.fingerprint))
        self._sequences = corpus.evaluation_set(hyperparameters.seq_len)
        self._last_save = time.perf_counter()
        saved = self._checkpoints.load(self._state)
        self.progress = Progress() if saved is None else Progress(**saved)
        self.progress.n_restarts += saved is not None

    def finish_all(self) -> Evaluation:
        """Finish every branch that is left, then the trunk; return the trunk's evaluation."""
        progress = self.progress
        for branch in self.plan.finishes[len(progress.branches) : -1]:
            if not progress.on_branch:
                self._walk(branch.leaves_at, self.plan.trunk)
                self._state.trunk = self._copy_of_trunk()
                progress.on_branch = True
            self._walk(branch.n_steps, branch)
            evaluation = self._measure(self._sequences)
            seconds = progress.trunk_seconds + progress.branch_seconds
            progress.branches.append(
                {"n_tokens": branch.n_tokens, **evaluation.to_dict(), "seconds": seconds}
            )
            self._return_to_trunk(branch)
        self._walk(self.plan.n_steps, self.plan.trunk)
        final = self._measure(self._sequences)
        self._put_on_curve(final)
        return final

    def close(self) -> None:
        """Write nothing any more."""
        self._checkpoints.close()

    def _walk(self, last_step: int, finish: Finish) -> None:
        """Take the steps up to ``last_step`` on the way to a finish."""
        job, plan, progress = self.job, self.plan, self.progress
        seq_len, hyperparameters = plan.hyperparameters.seq_len, plan.hyperparameters
        while True:
            step = progress.step
            if self._is_due_on_curve(step):
                self._put_on_curve(self._measure(self._sequences[:ON_THE_WAY_SEQUENCES]))
            if step == last_step:
                return
            with progress.timed("train"):
                batch = self.corpus.training_batch(
                    job.seed, *plan.sequences_of(step, finish), seq_len
                )
                loss = self._step(batch, rate_fraction(step, finish.n_steps, hyperparameters))
                progress.step += 1
                if progress.step % CHECK_STEPS == 0:
                    self._check_loss(float(self.world.total(loss)) / self.world.size)
            self._save_when_due()

    def _copy_of_trunk(self) -> dict[str, Any]:
        state = self._state
        return copy.deepcopy(
            {"network": state.network.state_dict(), "optimizer": state.optimizer.state_dict()}
        )

    def _return_to_trunk(self, branch: Finish) -> None:
        state, progress = self._state, self.progress
        assert state.trunk is not None
        state.network.load_state_dict(state.trunk["network"])
        state.optimizer.load_state_dict(state.trunk["optimizer"])
        state.trunk = None
        progress.step, progress.on_branch, progress.branch_seconds = branch.leaves_at, False, 0.0

    def _is_due_on_curve(self, step: int) -> bool:
        if self.progress.on_branch or step not in self.plan.evaluation_steps:
            return False
        return not any(point["step"] == step for point in self.progress.curve)

    def _measure(self, sequences: np.ndarray) -> Evaluation:
        with self.progress.timed("evaluate"):
            evaluation = evaluate(self.network, sequences, self.corpus, self._autocast, self.world)
        if not math.isfinite(evaluation.loss_nats):
            raise self._diverged("evaluation", evaluation.loss_nats)
        return evaluation

    def _put_on_curve(self, evaluation: Evaluation) -> None:
        """Keep a point of the trunk's curve, and stop a run that diverged."""
        plan, progress = self.plan, self.progress
        point = {
            "step": progress.step,
            "tokens": plan.tokens_after(progress.step),
            **evaluation.to_dict(),
        }
        progress.curve.append(point)
        if self.world.is_first:
            self._emit({"run_id": self.job.run_id, "n_steps": plan.n_steps, **point})
        first = progress.curve[0]["loss_nats"]
        if 2 * progress.step > plan.n_steps and evaluation.loss_nats > first:
            raise self._diverged(
                "evaluation", evaluation.loss_nats, f", above {first:.3f} before training"
            )

    def _check_loss(self, loss_nats: float) -> None:
        if not math.isfinite(loss_nats):
            raise self._diverged("training", loss_nats)
        self.progress.note_loss(loss_nats)

    def _diverged(self, which: str, loss_nats: float, comparison: str = "") -> _DivergedError:
        return _DivergedError(
            f"the {which} loss was {loss_nats:.3f} nats at step {self.progress.step} of "
            f"{self.plan.n_steps}{comparison}; a learning rate below "
            f"{self.plan.hyperparameters.learning_rate:g} or a longer warm-up may help"
        )

    def _save_when_due(self) -> None:
        if self.world.size > 1 and self.progress.step % CHECK_STEPS:
            return  # the processes decide together, and not at every step
        stop = self.world.agree(interrupt.requested())
        if stop or self.world.agree(time.perf_counter() - self._last_save > self._every):
            with self.progress.timed("checkpoint"):
                self._checkpoints.save(self._state, self.progress.to_dict())
            self._last_save = time.perf_counter()
        if stop:
            self._checkpoints.wait()
            raise interrupt.Interrupted


def _check(job: Job, corpus: Corpus) -> torch.dtype:
    """Return the precision to train in, or say why the job cannot be trained."""
    if job.architecture.vocab_size < corpus.vocab_size:
        raise InvalidInputError(
            f"the corpus has {corpus.vocab_size} kinds of tokens, architecture {job.architecture} "
            f"has a vocab_size of {job.architecture.vocab_size}; give it {corpus.vocab_size} or more"
        )
    check_device(job.device)
    dtype = as_dtype(job.precision)
    if dtype not in (torch.float32, torch.bfloat16):
        raise InvalidInputError(
            f"training precision must be 'float32' or 'bfloat16', got {job.precision!r}"
        )
    return dtype


def _micro_sequences(job: Job) -> int | None:
    if job.micro_batch_tokens is None or job.hyperparameters is None:
        return None
    if job.micro_batch_tokens < job.hyperparameters.seq_len:
        raise InvalidInputError(
            f"micro_batch_tokens must hold a sequence of {job.hyperparameters.seq_len} tokens, got "
            f"{job.micro_batch_tokens}"
        )
    return job.micro_batch_tokens // job.hyperparameters.seq_len
