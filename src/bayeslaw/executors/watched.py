"""One job on this machine: started or taken over, watched until it is over."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bayeslaw.executors.answers import exit_reason
from bayeslaw.executors.job_folder import RESULT_FILE
from bayeslaw.executors.process import (
    PID_FILE,
    TAKEN,
    ProcessMark,
    forget_dead_mark,
    launch,
    read_mark,
    signal_group,
    start_time,
)
from bayeslaw.executors.protocol import JobPhase
from bayeslaw.runs import REQUEUE_EXIT_CODE, Job

GPU_FILE = "process.gpu"


@dataclass(slots=True)
class WatchedJob:
    """Track a job's process: ``child`` if we started it, ``mark`` if somebody before us did.

    Attributes:
        job: What is asked for.
        folder: Where.
        phase: As far as noticed.
        child: The process, if it is our child.
        mark: The process, if it is not.
        began: When it started [s since 1970].
        seconds: How long it took, once it is over [s].
        reason: Why it gave no result, once it is over.
        n_requeues: Times it asked to be started again and was [count].
        max_requeues: After so many it is over [count].
        gpu: The device it was given; empty when none was.
    """

    job: Job
    folder: Path
    phase: JobPhase = "queued"
    child: subprocess.Popen[bytes] | None = None
    mark: ProcessMark | None = None
    began: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    n_requeues: int = 0
    max_requeues: int = 0
    gpu: str = ""

    @property
    def has_result(self) -> bool:
        """Whether its result.json is there."""
        return (self.folder / RESULT_FILE).exists()

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        if self.child is not None:
            return self.child.poll() is None
        return self.mark is not None and self.mark.is_alive

    def take_over(self) -> bool:
        """Take what an earlier process left: a running process or a result; say if there was."""
        mark = read_mark(self.folder)
        if mark is not None and mark.is_alive:
            self.adopt(mark)
        elif self.has_result:  # asked last: a process may end, with a result, as we look
            self.phase = "ended"
        return self.phase != "queued"

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start its process, unless one that an earlier driver started turns up after all."""
        if self.take_over():
            return
        forget_dead_mark(self.folder)
        self.began = time.time()
        self.child = launch(command, self.folder, environment)
        self.phase = "running"

    def adopt(self, mark: ProcessMark) -> None:
        """Watch a process that somebody else started for this job."""
        self.phase, self.child, self.mark = "running", None, mark
        self.began = (self.folder / PID_FILE).stat().st_mtime
        with suppress(FileNotFoundError):
            self.gpu = (self.folder / GPU_FILE).read_text()

    def take_gpu(self, gpu: str) -> None:
        """Note the device it is about to be given, for whoever takes it over."""
        self.gpu = gpu
        (self.folder / GPU_FILE).write_text(gpu)

    def notice_end(self) -> None:
        """Say how a process that is gone has ended."""
        if self.child is None:
            # Not our child, so its exit code is lost; a result speaks for itself.
            phase: JobPhase = "ended" if self.has_result or self.reason else "lost"
            self._conclude(phase, "its process is gone and left no result; exit code unknown")
            return
        code, mark = self.child.returncode, read_mark(self.folder)
        if code == REQUEUE_EXIT_CODE and not self.has_result and not self.reason:
            self._requeue()
            return
        if code != TAKEN or mark is None or mark.pid == self.child.pid:
            self._conclude("ended", exit_reason(code))
            return
        # A process that an earlier driver was just starting came first: that one is the job.
        self.adopt(mark)
        if not self.is_alive:
            self.notice_end()

    def signal(self, number: signal.Signals) -> None:
        """Signal the job's processes, never somebody else's.

        As long as a group has members its number is not given again; so a number that is in
        use, but not by our process, says that the group is gone.
        """
        leader = self.child or self.mark
        if leader is not None and (self.is_alive or start_time(leader.pid) is None):
            signal_group(leader.pid, number)

    def release(self) -> None:
        """Let its process go on without us."""
        if self.child is not None and self.child.returncode is None:
            # Popen warns of a child nobody waits for; this one is meant to go on.
            self.child.returncode = 0

    def _requeue(self) -> None:
        """Put a job that was told to stop, though not by us, back in the queue."""
        if self.n_requeues == self.max_requeues:
            self._conclude(
                "ended",
                f"the lab exited with code {REQUEUE_EXIT_CODE}, which asks to be started again; it was, "
                f"{self.n_requeues} times, and may not be once more",
            )
            return
        self._kill_remains()
        self.n_requeues += 1
        self.phase, self.child = "queued", None

    def _conclude(self, phase: JobPhase, reason: str) -> None:
        self.phase, self.seconds = phase, max(0.0, time.time() - self.began)
        self.reason = self.reason or reason
        self._kill_remains()

    def _kill_remains(self) -> None:
        # Data loaders and the like that the job left behind would eat the next one's cores.
        self.signal(signal.SIGKILL)
