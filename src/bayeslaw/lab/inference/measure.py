"""A measure job to its measurement."""

from __future__ import annotations

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.inference.time_architecture import time_architecture
from bayeslaw.runs import Job, Measurement


def measure(job: Job) -> Measurement:
    """Time the network of a job; see `time_architecture`.

    Args:
        job: Of kind ``measure``.

    Raises:
        InvalidInputError: Another engine, device or precision than the lab has.
        UnavailableError: The job's device or attention kernel is not here.
    """
    if job.workload is None:
        raise InvalidInputError(f"job {job.run_id!r} is not a measure job: it has no workload")
    return time_architecture(
        job.architecture,
        job.workload,
        device=job.device,
        attention=job.attention,
        threads=job.threads,
        seed=job.seed,
    )
