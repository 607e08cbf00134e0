"""A job's folder: which files lie there, and how a job is put into it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bayeslaw.errors import StateError
from bayeslaw.runs import Job

JOB_FILE = "job.json"
RESULT_FILE = "result.json"
STDOUT_FILE = "stdout.txt"
STDERR_FILE = "stderr.txt"
# A line for each start of the job, whoever started it.
STARTS_FILE = "process.starts"

LAB_COMMAND = (sys.executable, "-m", "bayeslaw.lab", JOB_FILE)

# Libraries that would each start as many threads as there are cores. Measured: two jobs at
# their default threads ran 20 times slower than at one thread each.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_environment(threads: int) -> dict[str, str]:
    """Return the variables that hold a job's libraries to its threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def check_same_job(job: Job, folder: Path) -> None:
    """See that a folder holds no other job.

    Raises:
        StateError: It does.
    """
    path = folder / JOB_FILE
    if not path.exists():
        return
    present = Job.read(path)
    # How many threads it gets is the executor's to say and no part of what is asked for.
    if replace(present, threads=job.threads) != job:
        raise StateError(
            f"{folder} holds another job ({present.kind} {present.run_id!r}); give job "
            f"{job.run_id!r} a folder of its own, or the same content as before"
        )


def write_job(job: Job, folder: Path) -> None:
    """Write job.json whole or not at all."""
    partial = folder / f"{JOB_FILE}.partial"
    job.write(partial)
    partial.replace(folder / JOB_FILE)


def count_starts(folder: Path) -> int:
    """Return how often the folder's job was started, by whatever driver [count]."""
    try:
        return (folder / STARTS_FILE).read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
