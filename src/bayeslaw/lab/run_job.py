"""Any job to its result: the lab's one entry."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bayeslaw.errors import BayeslawError, InvalidInputError
from bayeslaw.lab.inference import measure
from bayeslaw.lab.train import train
from bayeslaw.runs import Job, JobResult


def run_job(
    job: Job, folder: str | Path, emit: Callable[[dict[str, Any]], None] = lambda line: None
) -> JobResult:
    """Train or time what a job asks for; whatever goes wrong becomes a failed result.

    Sets the process's torch threads to the job's, so run one job a process.

    Args:
        job: What to do.
        folder: The job's own; a training checkpoint lives there while the run lasts.
        emit: Called with each evaluation's progress.
    """
    started = time.perf_counter()
    try:
        if job.threads < 1:
            raise InvalidInputError(f"a job needs at least 1 thread, got {job.threads}")
        torch.set_num_threads(job.threads)
        if job.kind == "train":
            return train(job, folder, emit)
        measurement = measure(job)
    except BayeslawError as error:
        return _failed(job, started, str(error), {"error": type(error).__name__})
    except Exception as error:  # the edge of the process: the study must hear of a crash, too
        reason = f"{type(error).__name__}: {error}"
        record = {"error": type(error).__name__, "traceback": traceback.format_exc()}
        return _failed(job, started, reason, record)
    return JobResult(
        run_id=job.run_id,
        kind="measure",
        status="done",
        finished=True,
        seconds=time.perf_counter() - started,
        measurement=measurement,
        record=measurement.record,
    )


def _failed(job: Job, started: float, reason: str, record: dict[str, Any]) -> JobResult:
    return JobResult(
        run_id=job.run_id,
        kind=job.kind,
        status="failed",
        reason=reason,
        seconds=time.perf_counter() - started,
        record=record,
    )
