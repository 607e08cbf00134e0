"""Jobs as tasks of a Ray cluster, one of our own or one that is there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.executors.answers import failed, read_progress, read_result
from bayeslaw.executors.job_folder import (
    LAB_COMMAND,
    RESULT_FILE,
    STDERR_FILE,
    STDOUT_FILE,
    check_same_job,
    count_starts,
    write_job,
)
from bayeslaw.executors.leaving import OrderlyExit
from bayeslaw.executors.local import available_cores
from bayeslaw.executors.options import Circumstances, ExecutorKind
from bayeslaw.executors.process import read_mark
from bayeslaw.executors.protocol import JobHandle, JobPhase, JobState
from bayeslaw.executors.ray.claim import read_claim
from bayeslaw.executors.ray.cluster import RayCluster
from bayeslaw.executors.ray.options import RayOptions
from bayeslaw.executors.ray.task import run_job
from bayeslaw.runs import Job, JobResult

# What a worker may take, beyond the job's grace, to say that a cancelled job is over.
_ANSWER_SECONDS = 10.0


@dataclass(slots=True)
class _RayJob:
    """One job: what was submitted, and how it stands as far as noticed."""

    job: Job
    folder: Path
    phase: JobPhase = "queued"
    submission: str = ""
    task: Any = None
    seconds: float = 0.0
    reason: str = ""
    n_requeues: int = 0


class RayExecutor:
    """Run each job as one Ray task, which runs the lab's command in the job's folder.

    Ray's resources decide how many run at once and where; all nodes must see the folder at the
    same place. A job whose worker or node dies is started again by Ray and resumes from the lab's
    checkpoint; its processes never outlive the worker, so there are not two at work. A job that
    exits with code 85 is submitted again, unless it was cancelled.

    Ray ends a driver's tasks with the driver. So a job does not outlive this process, as it does
    under `LocalExecutor`; submitted again in its folder it resumes, after what may be left of it
    has been ended.

    Args:
        slots: Jobs that a driver shall keep submitted [count]; a cluster of our own has room for
            so many.
        command: What to run in the job's folder; our own lab when left out.
        threads: CPU threads a job may use, and CPUs it asks Ray for [count].
        device: What jobs run on: on ``cuda`` each asks for a GPU, unless the options say more.
        is_timing: Whether jobs are timings: each takes all CPUs of its node, undisturbed.
        grace_seconds: How long a cancelled job may take to end by itself [s].
        options: Which cluster, and what else a job asks of it.

    Raises:
        InvalidInputError: No slot or thread, or an empty command.
        UnavailableError: Ray is not installed.
    """

    def __init__(
        self,
        slots: int = 1,
        *,
        command: Sequence[str] = LAB_COMMAND,
        threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
        is_timing: bool = False,
        grace_seconds: float = 10.0,
        options: RayOptions | None = None,
    ) -> None:
        if slots < 1 or threads < 1:
            raise InvalidInputError(
                f"slots and threads must be at least 1, got {slots} and {threads}"
            )
        if isinstance(command, str) or not command:
            raise InvalidInputError(f"command must be a list of words, got {command!r}")
        self._slots = slots
        self._command = tuple(command)
        self._threads = threads
        self._grace_seconds = grace_seconds
        self._options = options or RayOptions()
        self._cluster = RayCluster(
            self._options,
            n_cpus=threads,
            is_on_gpu=device == "cuda",
            is_alone=is_timing,
            n_jobs=slots,
        )
        self._jobs: dict[Path, _RayJob] = {}
        self._leaving = OrderlyExit()

    @property
    def slots(self) -> int:
        """Jobs that a driver shall keep submitted; Ray's resources decide how many run."""
        return self._slots

    @property
    def poll_seconds(self) -> float:
        """How often asking is worthwhile [s]."""
        return 0.1

    def __enter__(self) -> RayExecutor:
        self._leaving.enter()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.cancel_all()
        finally:
            self._leaving.leave()
            self.close()

    def submit(self, job: Job, folder: Path) -> JobHandle:
        """Give the job to Ray, and return at once; see `Executor.submit`.

        Raises:
            StateError: The folder holds another job, or one that another kind of executor runs.
            UnavailableError: There is no such cluster, or none that could ever hold the job.
        """
        folder = folder.absolute()
        job = replace(job, threads=self._threads)
        folder.mkdir(parents=True, exist_ok=True)
        check_same_job(job, folder)
        _check_no_stranger(folder)
        handle = JobHandle(job.run_id, folder)
        known = self._jobs.get(folder)
        if known is not None and known.phase in ("queued", "running"):
            return handle
        entry = _RayJob(job, folder)
        if (folder / RESULT_FILE).exists():
            entry.phase = "ended"
        else:
            write_job(job, folder)
            self._submit(entry)
        self._jobs[folder] = entry
        return handle

    def poll(self, handle: JobHandle) -> JobState:
        """Return how the job is doing, without waiting; see `Executor.poll`."""
        entry = self._entry(handle)
        self._advance(entry)
        return JobState(entry.phase, read_progress(entry.folder / STDOUT_FILE))

    def cancel(self, handle: JobHandle) -> None:
        """End the job and its children, politely first; see `Executor.cancel`."""
        self._cancel([self._entry(handle)])

    def cancel_all(self) -> None:
        """End all jobs at once: together they get one grace."""
        self._cancel(list(self._jobs.values()))

    def collect(self, handle: JobHandle) -> JobResult:
        """Return what the job answered; see `Executor.collect`."""
        entry = self._entry(handle)
        self._advance(entry)
        if entry.phase in ("queued", "running"):
            raise StateError(f"job {handle.run_id!r} is {entry.phase}; poll it until it is over")
        if (entry.folder / RESULT_FILE).exists():
            result = read_result(entry.folder / RESULT_FILE, entry.job, entry.seconds)
        else:
            stderr = entry.folder / STDERR_FILE
            result = failed(entry.job, entry.reason, entry.seconds, stderr=stderr)
        if attempts := count_starts(entry.folder):  # a lab need not count, but may know better
            result = replace(result, record={"attempts": attempts, **result.record})
        return result

    def close(self) -> None:
        """Forget all jobs, and disconnect from Ray if the connection is ours.

        Ray ends what runs on a connection that is closed, so jobs are told to stop first. On
        somebody else's connection they are left to finish.
        """
        if self._cluster.is_ours:
            self.cancel_all()
        self._jobs.clear()
        self._cluster.disconnect()

    def _entry(self, handle: JobHandle) -> _RayJob:
        entry = self._jobs.get(handle.folder)
        if entry is None:
            raise NotFoundError(
                f"job {handle.run_id!r} was not submitted here; submit it in {handle.folder} "
                f"(what runs there is not doubled)"
            )
        return entry

    def _submit(self, entry: _RayJob) -> None:
        entry.phase, entry.submission = "queued", uuid.uuid4().hex
        entry.task = self._cluster.start(
            run_job,
            f"bayeslaw {entry.job.run_id}",
            folder=str(entry.folder),
            command=self._command,
            threads=self._threads,
            submission=entry.submission,
            grace_seconds=self._grace_seconds,
            n_requeues=entry.n_requeues,
            max_requeues=self._options.max_requeues,
        )

    def _advance(self, entry: _RayJob) -> None:
        """Notice what has become of a job; start it again if it asked for that."""
        if entry.phase not in ("queued", "running"):
            return
        if self._cluster.is_over(entry.task):
            self._conclude(entry)
            if entry.phase == "queued":
                self._submit(entry)
        elif read_claim(entry.folder).get("submission") == entry.submission:
            entry.phase = "running"

    def _conclude(self, entry: _RayJob) -> None:
        answer = self._cluster.answer(entry.task)
        entry.task = None
        entry.phase, entry.reason = answer["phase"], entry.reason or answer["reason"]
        entry.seconds = answer.get("seconds", 0.0)
        entry.n_requeues = answer.get("n_requeues", entry.n_requeues)

    def _cancel(self, entries: Sequence[_RayJob]) -> None:
        for entry in entries:
            self._advance(entry)
        waiting = [entry for entry in entries if entry.phase in ("queued", "running")]
        for entry in waiting:
            entry.reason = (
                "cancelled" if entry.phase == "running" else "cancelled before it started"
            )
            self._cluster.cancel(entry.task)
        deadline = time.monotonic() + self._grace_seconds + _ANSWER_SECONDS
        for entry in waiting:
            if not self._cluster.is_over(entry.task, max(0.0, deadline - time.monotonic())):
                self._cluster.kill(entry.task)
            self._conclude(entry)
            entry.phase = "ended"  # also where it asks to be started again


def _check_no_stranger(folder: Path) -> None:
    """See that nothing but a Ray task runs the folder's job; only those show their claim."""
    mark = read_mark(folder)
    if mark is not None and mark.is_alive and not read_claim(folder):
        raise StateError(
            f"process {mark.pid} still runs the job in {folder}, and no Ray task started it; go on "
            f"with the executor that did, or end it first"
        )


def _open(given: Circumstances, options: RayOptions) -> RayExecutor:
    return RayExecutor(
        given.slots,
        command=given.command,
        threads=given.threads,
        device=given.device,
        is_timing=given.is_timing,
        grace_seconds=given.grace_seconds,
        options=options,
    )


def _threads(slots: int) -> int:
    return max(1, available_cores() // slots)


RAY = ExecutorKind(options=RayOptions, open=_open, threads=_threads)
