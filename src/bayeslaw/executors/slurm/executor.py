"""Jobs as batch jobs of a Slurm cluster, sent by sbatch and watched by squeue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError, UnavailableError
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
from bayeslaw.executors.options import Circumstances, ExecutorKind
from bayeslaw.executors.process import read_mark
from bayeslaw.executors.protocol import JobHandle, JobState
from bayeslaw.executors.slurm.client import SlurmClient
from bayeslaw.executors.slurm.options import SlurmOptions
from bayeslaw.executors.slurm.sender import MAX_ARRAY, SILENT, Sender
from bayeslaw.executors.slurm.sent_job import SentJob
from bayeslaw.runs import Job, JobResult

# Slurm kills what does not heed SIGTERM after 30 s by default.
_KILL_WAIT_SECONDS = 30.0


class SlurmExecutor:
    """Run jobs on a Slurm cluster, so many at once; their folders are on a shared file system.

    Jobs submitted together go out as one array, and one squeue asks for all. A job that saves
    itself and exits with code 85, told to by SIGUSR2 before its time limit or otherwise, is put
    back in the queue by its own script, whether or not this process still runs; one that lost
    its node is put back by Slurm. Submitted again in its folder, by whatever process, it is found
    again and never doubled: see `Ticket`.

    A controller that does not answer is survived: what was last known holds until it does.

    Args:
        slots: Jobs at Slurm at once, queued there or running; more wait here.
        command: What to run in the job's folder; our own lab when left out.
        threads: CPUs of a job [count].
        device: What jobs run on; ``cuda`` asks for a GPU each.
        is_timing: Whether jobs are timings, which get a node to themselves.
        grace_seconds: How long a cancelled job may take to end by itself, besides the time that
            Slurm gives it [s].
        options: All else.

    Raises:
        UnavailableError: Slurm's commands are not on this machine.
        InvalidInputError: No slot or thread, or an empty command.
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
        options: SlurmOptions | None = None,
    ) -> None:
        if slots < 1 or threads < 1:
            raise InvalidInputError(
                f"slots and threads must be at least 1, got {slots} and {threads}"
            )
        if isinstance(command, str) or not command:
            raise InvalidInputError(f"command must be a list of words, got {command!r}")
        self._options = options or SlurmOptions()
        self._client = SlurmClient()
        self._slots = slots
        self._threads = threads
        flags = self._options.sbatch_flags(threads=threads, device=device, is_timing=is_timing)
        self._sender = Sender(self._client, command, threads, flags, self._options.setup)
        self._grace_seconds = grace_seconds
        self._jobs: dict[Path, SentJob] = {}
        self._asked_at = float("-inf")
        self._leaving = OrderlyExit()

    @property
    def slots(self) -> int:
        """Jobs that run at once; more may be submitted, they queue."""
        return self._slots

    @property
    def poll_seconds(self) -> float:
        """How often asking is worthwhile [s]: results are seen without Slurm being asked."""
        return min(1.0, self._options.squeue_seconds)

    def __enter__(self) -> SlurmExecutor:
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

        It is sent when next something is polled, together with what else was submitted.
        """
        folder = folder.absolute()
        job = replace(job, threads=self._threads)
        folder.mkdir(parents=True, exist_ok=True)
        check_same_job(job, folder)
        handle = JobHandle(job.run_id, folder)
        known = self._jobs.get(folder)
        if known is not None and not known.is_over:
            return handle
        mark = read_mark(folder)
        if mark is not None and mark.is_alive:
            raise StateError(
                f"process {mark.pid} of this machine is at work on job {job.run_id!r} in {folder}; "
                f"wait for it, or end it, before Slurm is given the job"
            )
        entry = SentJob.take_up(job, folder, self._options.max_requeues)
        if not entry.is_over and entry.ticket is None:
            write_job(job, folder)
        self._jobs[folder] = entry
        return handle

    def poll(self, handle: JobHandle) -> JobState:
        """Return how the job is doing, without waiting; see `Executor.poll`.

        Raises:
            NotFoundError: This executor was never given that job.
            UnavailableError: Slurm refuses such jobs.
        """
        entry = self._entry(handle)
        self._advance()
        waits_for = entry.waits_for if entry.phase == "queued" else ""
        return JobState(entry.phase, read_progress(entry.folder / STDOUT_FILE), waits_for)

    def cancel(self, handle: JobHandle) -> None:
        """End the job and its children, politely first; see `Executor.cancel`."""
        self._cancel([self._entry(handle)])

    def cancel_all(self) -> None:
        """End all jobs at once: together they get one grace."""
        self._cancel(list(self._jobs.values()))

    def collect(self, handle: JobHandle) -> JobResult:
        """Return what the job answered; see `Executor.collect`."""
        entry = self._entry(handle)
        entry.look_for_result()
        if not entry.is_over:
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
        """Forget all jobs; those that Slurm has are left to finish and can be taken over."""
        self._jobs.clear()

    def _entry(self, handle: JobHandle) -> SentJob:
        entry = self._jobs.get(handle.folder)
        if entry is None:
            raise NotFoundError(
                f"job {handle.run_id!r} was not submitted here; submit it in {handle.folder} "
                f"(a job that runs or ran there is taken over, not doubled)"
            )
        return entry

    # --- what is going on ---------------------------------------------------------------------

    def _advance(self) -> None:
        """Notice what has changed, then send what fits into the free slots."""
        for entry in self._jobs.values():
            entry.look_for_result()
        now, asked_before = time.monotonic(), self._asked_at
        is_due = now - asked_before >= self._options.squeue_seconds
        if is_due and any(self._at_slurm()) and not self._ask():
            return
        self._send()

    def _at_slurm(self) -> list[SentJob]:
        entries = self._jobs.values()
        return [entry for entry in entries if entry.ticket is not None and not entry.is_over]

    def _ask(self) -> bool:
        """Learn how all jobs are doing; return whether Slurm answered."""
        found = self._client.jobs()
        self._asked_at = time.monotonic()
        if found is None:
            for entry in self._jobs.values():
                entry.waits_for = SILENT
            return False
        by_name = {(job.name, job.slurm_id.rpartition("_")[2]): job for job in found}
        for entry in self._at_slurm():
            assert entry.ticket is not None
            job = by_name.get((entry.ticket.name, str(entry.ticket.task)))
            if job is None and (slurm_id := entry.ticket.slurm_id):
                # It may be another user's: gone is only what nobody has.
                try:
                    job = self._client.find(slurm_id)
                except UnavailableError:
                    return False
            if job is not None:
                entry.hear(job)
            else:
                entry.hear_nothing(self._past_state(entry))
        return True

    def _past_state(self, entry: SentJob) -> str:
        if entry.ticket is None or not entry.ticket.job_id:
            return ""
        raw_id = entry.last.raw_id if entry.last else ""
        return self._client.past_state(entry.ticket.slurm_id, raw_id)

    def _send(self) -> None:
        n_free = self._slots - len(self._at_slurm())
        waiting = [
            entry for entry in self._jobs.values() if entry.ticket is None and not entry.is_over
        ]
        sending = iter(waiting[: max(0, n_free)])
        while chunk := list(islice(sending, MAX_ARRAY)):
            # Next to jobs that Slurm took, a refusal is a limit that will pass; else it never will.
            if not self._sender.send(chunk, may_be_refused=any(self._at_slurm())):
                self._asked_at = time.monotonic()
                return

    # --- cancelling ---------------------------------------------------------------------------

    def _cancel(self, entries: Sequence[SentJob]) -> None:
        for entry in entries:
            entry.look_for_result()
        ending = [entry for entry in entries if not entry.is_over]
        for entry in ending:
            entry.is_cancelled, entry.reason = True, "cancelled"
            if entry.ticket is None:
                entry.phase, entry.reason = "ended", "cancelled before it started"
            else:
                # First what keeps it from starting, once more or at all, whatever Slurm does.
                entry.ticket.forbid_requeue()
                entry.ticket.revoke()
        deadline = time.monotonic() + self._grace_seconds + _KILL_WAIT_SECONDS
        while left := [entry for entry in ending if not entry.is_over]:
            tickets = [entry.ticket for entry in left if entry.ticket is not None]
            self._client.cancel(
                [ticket.slurm_id for ticket in tickets if ticket.job_id],
                {ticket.name for ticket in tickets if not ticket.job_id},
            )
            if self._ask() and not any(not entry.is_over for entry in ending):
                return
            if time.monotonic() > deadline:
                for entry in left:
                    entry.phase = "ended"
                    entry.reason = "cancelled, but Slurm has not confirmed that it ended"
                return
            time.sleep(0.2)


def _open(given: Circumstances, options: SlurmOptions) -> SlurmExecutor:
    return SlurmExecutor(
        given.slots,
        command=given.command,
        threads=given.threads,
        device=given.device,
        is_timing=given.is_timing,
        grace_seconds=given.grace_seconds,
        options=options,
    )


def _threads(_: int) -> int:
    return 1  # as Slurm itself gives


SLURM = ExecutorKind(options=SlurmOptions, open=_open, threads=_threads)
