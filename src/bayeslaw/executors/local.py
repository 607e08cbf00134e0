"""Jobs as subprocesses of this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.executors.answers import failed, read_progress, read_result
from bayeslaw.executors.job_folder import (
    LAB_COMMAND,
    RESULT_FILE,
    STDERR_FILE,
    STDOUT_FILE,
    check_same_job,
    count_starts,
    thread_environment,
    write_job,
)
from bayeslaw.executors.leaving import OrderlyExit
from bayeslaw.executors.options import Circumstances, ExecutorKind, ExecutorOptions
from bayeslaw.executors.protocol import JobHandle, JobState
from bayeslaw.executors.slurm.ticket import Ticket
from bayeslaw.executors.watched import WatchedJob
from bayeslaw.runs import Job, JobResult


class LocalExecutor:
    """Run jobs as subprocesses, so many at once, each with its share of the cores.

    Any program that reads job.json and writes result.json next to it can be the lab. A job
    outlives this process if that is killed, and is taken over when submitted again in its
    folder. Used in a ``with`` block, jobs that still run are cancelled when the block is left,
    be it by Ctrl-C or SIGTERM; a lab that checkpoints goes on from there when submitted again.

    A job that somebody else told to stop, and that exits with code 85, is started again; so is
    one that fills its time slice and stops by itself. What is cancelled here stays cancelled.

    Nothing runs in the background: queued jobs start when `poll` is called.

    Args:
        slots: Jobs at once.
        command: What to run in the job's folder; our own lab when left out.
        threads: CPU threads a job may use; cores over slots when left out.
        grace_seconds: How long a cancelled job may take to end by itself [s].
        max_requeues: How often a job may ask to be started again, by exit code 85, before it
            has failed; submitting it again starts the count anew [count].
        gpus: CUDA devices to share out, one a job; every job sees all when empty.

    Raises:
        InvalidInputError: No slot or thread, an empty command, a negative count, a job without a
            device of its own.
    """

    def __init__(
        self,
        slots: int = 1,
        *,
        command: Sequence[str] = LAB_COMMAND,
        threads: int | None = None,
        grace_seconds: float = 10.0,
        max_requeues: int = 100,
        gpus: Sequence[str] = (),
    ) -> None:
        if slots < 1:
            raise InvalidInputError(f"slots must be at least 1, got {slots}")
        if threads is not None and threads < 1:
            raise InvalidInputError(f"threads must be at least 1, got {threads}")
        if max_requeues < 0:
            raise InvalidInputError(f"max_requeues must be 0 or more, got {max_requeues}")
        if isinstance(command, str) or not command:
            raise InvalidInputError(f"command must be a list of words, got {command!r}")
        if gpus and (slots > len(gpus) or len(set(gpus)) < len(gpus)):
            raise InvalidInputError(
                f"each of {slots} slots needs a GPU of its own, got gpus {list(gpus)}; lower slots"
            )
        self._gpus = tuple(gpus)
        self._slots = slots
        self._command = tuple(command)
        self._threads = threads or _threads(slots)
        self._grace_seconds = grace_seconds
        self._max_requeues = max_requeues
        self._jobs: dict[Path, WatchedJob] = {}
        self._leaving = OrderlyExit()

    @property
    def slots(self) -> int:
        """Jobs that run at once; more may be submitted, they queue."""
        return self._slots

    @property
    def poll_seconds(self) -> float:
        """How often asking is worthwhile [s]."""
        return 0.02

    @property
    def threads(self) -> int:
        """CPU threads each job is given [count]."""
        return self._threads

    def __enter__(self) -> LocalExecutor:
        self._leaving.enter()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.cancel_all()
        finally:
            self._leaving.leave()
            self.close()

    def submit(self, job: Job, folder: Path) -> JobHandle:
        """See that the job gets done in the folder, and return at once; see `Executor.submit`.

        The job's ``threads`` become this executor's.
        """
        folder = folder.absolute()
        job = replace(job, threads=self._threads)
        folder.mkdir(parents=True, exist_ok=True)
        check_same_job(job, folder)
        handle = JobHandle(job.run_id, folder)
        known = self._jobs.get(folder)
        if known is not None and known.phase in ("queued", "running"):
            return handle
        ticket = Ticket.read(folder)
        if ticket is not None and not ticket.give_up() and not (folder / RESULT_FILE).exists():
            raise StateError(
                f"Slurm was given job {job.run_id!r} as {ticket.slurm_id or ticket.name} and it may "
                f"run there; go on with executor 'slurm', or scancel it and delete {folder}/slurm"
            )
        entry = WatchedJob(job, folder, max_requeues=self._max_requeues)
        if not entry.take_over():
            write_job(job, folder)
        self._jobs[folder] = entry
        self._advance()
        return handle

    def poll(self, handle: JobHandle) -> JobState:
        """Return how the job is doing, without waiting; see `Executor.poll`."""
        entry = self._entry(handle)
        self._advance()
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
        self._advance()
        if entry.phase in ("queued", "running"):
            raise StateError(f"job {handle.run_id!r} is {entry.phase}; poll it until it is over")
        if entry.has_result:
            result = read_result(entry.folder / RESULT_FILE, entry.job, entry.seconds)
        else:
            stderr = entry.folder / STDERR_FILE
            result = failed(entry.job, entry.reason, entry.seconds, stderr=stderr)
        if attempts := count_starts(entry.folder):  # a lab need not count, but may know better
            result = replace(result, record={"attempts": attempts, **result.record})
        return result

    def close(self) -> None:
        """Forget all jobs; those that run are left to finish and can be taken over."""
        for entry in self._jobs.values():
            entry.release()
        self._jobs.clear()

    def _entry(self, handle: JobHandle) -> WatchedJob:
        entry = self._jobs.get(handle.folder)
        if entry is None:
            raise NotFoundError(
                f"job {handle.run_id!r} was not submitted here; submit it in {handle.folder} "
                f"(a job that runs or ran there is taken over, not doubled)"
            )
        return entry

    def _advance(self) -> None:
        """Notice what has ended, then start what fits into the free slots."""
        for entry in self._jobs.values():
            if entry.phase == "running" and not entry.is_alive:
                entry.notice_end()
        n_running = sum(entry.phase == "running" for entry in self._jobs.values())
        for entry in self._jobs.values():
            if entry.phase == "queued" and n_running < self._slots:
                self._start(entry)
                n_running += 1

    def _start(self, entry: WatchedJob) -> None:
        environment = {**os.environ, **thread_environment(self._threads)}
        if self._gpus:
            taken = {other.gpu for other in self._jobs.values() if other.phase == "running"}
            gpu = next(gpu for gpu in self._gpus if gpu not in taken)
            environment["CUDA_VISIBLE_DEVICES"] = gpu
            entry.take_gpu(gpu)
        entry.start(self._command, environment)

    def _cancel(self, entries: Sequence[WatchedJob]) -> None:
        for entry in entries:
            if entry.phase == "queued":
                entry.phase, entry.reason = "ended", "cancelled before it started"
        running = [entry for entry in entries if entry.phase == "running" and entry.is_alive]
        for entry in running:
            entry.reason = "cancelled"
            entry.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_seconds
        while any(entry.is_alive for entry in running) and time.monotonic() < deadline:
            time.sleep(0.02)
        for entry in running:
            entry.signal(signal.SIGKILL)
            while entry.is_alive:  # not for long: nothing survives SIGKILL
                time.sleep(0.01)
            entry.notice_end()
        # What ended may have been a launcher that found an earlier process at work.
        if others := [entry for entry in running if entry.phase == "running"]:
            self._cancel(others)


def available_cores() -> int:
    """Return the cores this process may use; a container or taskset may grant less than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalOptions(ExecutorOptions):
    """What a file may say of the local executor.

    Attributes:
        max_requeues: How often a job may ask to be started again before it has failed [count].
        gpus: CUDA devices to share out, one a job, such as ``["0", "1"]``; every job sees all
            when empty.
    """

    max_requeues: Annotated[int, Field(ge=0)] = 100
    gpus: tuple[str, ...] = ()


def _open(given: Circumstances, options: LocalOptions) -> LocalExecutor:
    return LocalExecutor(
        given.slots,
        command=given.command,
        threads=given.threads,
        grace_seconds=given.grace_seconds,
        max_requeues=options.max_requeues,
        gpus=options.gpus,
    )


def _threads(slots: int) -> int:
    return max(1, available_cores() // slots)


LOCAL = ExecutorKind(options=LocalOptions, open=_open, threads=_threads)
