"""The training run of a job, from random weights to a final loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from bayeslaw.errors import InvalidInputError, LabError
from bayeslaw.lab.attention import attention_backend
from bayeslaw.lab.corpus import VOCAB_SIZE, Corpus
from bayeslaw.lab.machine import as_dtype, check_device
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.checkpoint import (
    Progress,
    job_fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from bayeslaw.lab.train.evaluate import Evaluation, evaluate
from bayeslaw.lab.train.optimizer import build_optimizer, set_learning_rate
from bayeslaw.lab.train.plan import Plan
from bayeslaw.lab.train.record import training_record
from bayeslaw.lab.train.schedule import learning_rate
from bayeslaw.runs import Hyperparameters, Job, JobResult

Emit = Callable[[dict[str, Any]], None]

CHECKPOINT_SECONDS = 20.0
# On the way a part of the evaluation set will do; the curve's last point, the final loss, is on all.
ON_THE_WAY_SEQUENCES = 64
# Reading a loss waits for the device, so it is looked at only so often.
CHECK_STEPS = 10


def train(
    job: Job,
    folder: str | Path,
    emit: Emit = lambda line: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> JobResult:
    """Train a job's network and measure its final loss.

    A run that was killed goes on from ``checkpoint.pt`` in ``folder`` and, on the CPU with the
    same threads, ends with the same losses to the last bit.

    Args:
        job: Of kind ``train``. The caller has set ``torch.set_num_threads(job.threads)``.
        folder: The job's own; holds the checkpoint, which the caller removes once the result is
            safe.
        emit: Called with ``{"run_id", "step", "n_steps", "tokens", "loss_nats"}`` after each
            evaluation.
        checkpoint_seconds: Wall time between checkpoints [s].

    Returns:
        A ``done`` result, or a ``failed`` one when the loss stopped being a number or diverged.

    Raises:
        InvalidInputError: The job cannot be trained as it is.
        UnavailableError: Its device or attention kernel is not here.
        LabError: The folder holds another job's checkpoint.
    """
    plan = Plan.of(job)
    folder = Path(folder)
    corpus = Corpus.open(str(job.corpus))
    network = _build_network(job, plan.hyperparameters)
    optimizer = build_optimizer(network, plan.hyperparameters)
    fingerprint = job_fingerprint(job, corpus.manifest.fingerprint)
    progress = load_checkpoint(folder, fingerprint, network, optimizer)
    final, reason = None, ""
    try:
        final = _run_steps(
            job, plan, corpus, network, optimizer, progress, emit,
            lambda: save_checkpoint(folder, fingerprint, network, optimizer, progress),
            checkpoint_seconds,
        )  # fmt: skip
    except _DivergedError as error:
        reason = str(error)
    shared: dict[str, Any] = {
        "run_id": job.run_id,
        "kind": "train",
        "curve": progress.curve,
        "seconds": progress.seconds,
    }
    record = training_record(job, plan, progress, corpus, network)
    if final is None:
        return JobResult(status="failed", reason=reason, record=record, **shared)
    record |= {
        "evaluation_tokens": final.n_tokens,
        "evaluation_sequences": final.n_sequences,
        "curve_sequences": min(ON_THE_WAY_SEQUENCES, final.n_sequences),
    }
    return JobResult(
        status="done",
        finished=True,
        loss_nats=final.loss_nats,
        loss_stderr=final.loss_stderr,
        bits_per_byte=final.bits_per_byte,
        record=record,
        **shared,
    )


class _DivergedError(LabError):
    """The loss is not a number or went up for good."""


def _build_network(job: Job, hyperparameters: Hyperparameters) -> Network:
    if job.architecture.vocab_size < VOCAB_SIZE:
        raise InvalidInputError(
            f"the corpus has {VOCAB_SIZE} byte tokens, architecture {job.architecture} has a "
            f"vocab_size of {job.architecture.vocab_size}; give it {VOCAB_SIZE} or more"
        )
    check_device(job.device)
    dtype = as_dtype(job.precision)
    if dtype not in (torch.float32, torch.bfloat16):
        raise InvalidInputError(
            f"training precision must be 'float32' or 'bfloat16', got {job.precision!r}"
        )
    attention = attention_backend(job.attention, job.device, dtype, job.architecture.head_dim)
    return Network(job.architecture, attention, hyperparameters.seq_len, job.seed).to(job.device)


def _run_steps(
    job: Job,
    plan: Plan,
    corpus: Corpus,
    network: Network,
    optimizer: torch.optim.AdamW,
    progress: Progress,
    emit: Emit,
    save: Callable[[], None],
    checkpoint_seconds: float,
) -> Evaluation:
    """Take the steps that are left and return the final evaluation."""
    seq_len = plan.hyperparameters.seq_len
    evaluation_set = corpus.evaluation_set(seq_len)
    autocast = torch.autocast(job.device, dtype=torch.bfloat16, enabled=job.precision == "bfloat16")
    started = time.perf_counter() - progress.seconds
    last_save = time.perf_counter()
    evaluation_steps = plan.evaluation_steps
    evaluated = {int(point["step"]) for point in progress.curve}
    loss = torch.zeros(())

    while True:
        step = progress.step
        if step in evaluation_steps and step not in evaluated:
            _evaluate(
                job, plan, progress, network, evaluation_set[:ON_THE_WAY_SEQUENCES], autocast, emit
            )
        if step == plan.n_steps:
            break
        n_sequences = min(plan.batch_sequences, plan.n_sequences - step * plan.batch_sequences)
        batch = corpus.training_batch(job.seed, step * plan.batch_sequences, n_sequences, seq_len)
        set_learning_rate(optimizer, learning_rate(step, plan.n_steps, plan.hyperparameters))
        loss = _step(network, optimizer, batch, plan.hyperparameters.grad_clip, autocast)
        progress.step += 1
        progress.seconds = time.perf_counter() - started
        if progress.step % CHECK_STEPS == 0 and not math.isfinite(value := loss.item()):
            raise _DivergedError(
                f"the training loss was {value} at step {progress.step} of {plan.n_steps}; a "
                f"learning rate below {plan.hyperparameters.learning_rate:g} or a longer warm-up "
                f"may help"
            )
        if time.perf_counter() - last_save > checkpoint_seconds:
            save()
            last_save = time.perf_counter()
    final = _evaluate(job, plan, progress, network, evaluation_set, autocast, emit)
    progress.seconds = time.perf_counter() - started
    return final


def _step(
    network: Network,
    optimizer: torch.optim.AdamW,
    batch: np.ndarray,
    grad_clip: float,
    autocast: torch.autocast,
) -> torch.Tensor:
    """Take one optimizer step; return its loss, still on the device."""
    tokens = torch.from_numpy(batch.astype(np.int64)).to(network.embedding.device)
    with autocast:
        logits = network(tokens[:, :-1])
    loss = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), grad_clip)
    optimizer.step()
    return loss.detach()


def _evaluate(
    job: Job,
    plan: Plan,
    progress: Progress,
    network: Network,
    sequences: np.ndarray,
    autocast: torch.autocast,
    emit: Emit,
) -> Evaluation:
    """Evaluate, put the point on the curve, and stop a run that diverged."""
    evaluation = evaluate(network, sequences, autocast)
    point = {
        "step": progress.step,
        "tokens": plan.tokens_after(progress.step),
        "loss_nats": evaluation.loss_nats,
    }
    if not math.isfinite(evaluation.loss_nats):
        raise _DivergedError(
            f"the evaluation loss was {evaluation.loss_nats} at step {progress.step} of "
            f"{plan.n_steps}; a learning rate below {plan.hyperparameters.learning_rate:g} or a "
            f"longer warm-up may help"
        )
    progress.curve.append(point)
    emit({"run_id": job.run_id, "n_steps": plan.n_steps, **point})
    first = progress.curve[0]["loss_nats"]
    if 2 * progress.step > plan.n_steps and evaluation.loss_nats > first:
        raise _DivergedError(
            f"the evaluation loss was {evaluation.loss_nats:.3f} nats at step {progress.step} of "
            f"{plan.n_steps}, above {first:.3f} before training; a learning rate below "
            f"{plan.hyperparameters.learning_rate:g} or a longer warm-up may help"
        )
    return evaluation
