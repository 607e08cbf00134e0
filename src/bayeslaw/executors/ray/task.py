"""What a Ray worker does: run one job's command in the job's folder, and see it end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeslaw.errors import NotFoundError
from bayeslaw.executors.job_folder import JOB_FILE, thread_environment
from bayeslaw.executors.process import read_mark, signal_group
from bayeslaw.executors.ray.claim import FolderClaim
from bayeslaw.executors.watched import WatchedJob
from bayeslaw.runs import Job

_POLL_SECONDS = 0.05

# Reads until its standard input ends, which it does when the worker that holds the other end is
# gone, however it went; then kills the job's process group. In the background of a shell that
# ends at once, so that it is nobody's child: Ray kills the children of a worker it ends.
_GUARD = 'exec 3<&0; { read word <&3; [ "$word" = over ] || kill -s KILL -- "-$1"; } &'


def run_job(
    folder: str,
    command: Sequence[str],
    *,
    threads: int,
    submission: str,
    grace_seconds: float,
    n_requeues: int,
    max_requeues: int,
) -> dict[str, Any]:
    """Run a job in its folder until it is over, asks to be started again, or is cancelled.

    If this worker dies, so do the job's processes, and whoever runs it next takes the folder.
    Cancelled by Ray (which interrupts the task), the job is told to stop, then killed.

    Returns:
        ``phase``, ``reason``, ``seconds`` and ``n_requeues`` as `WatchedJob` has them; a job that
        asks to be started again is ``queued``.

    Raises:
        NotFoundError: The folder is not on this machine.
    """
    path = Path(folder)
    if not (path / JOB_FILE).exists():
        raise NotFoundError(
            f"{path / JOB_FILE} is not on {os.uname().nodename}; Ray's nodes must all see the "
            f"study's folder, at the same place"
        )
    watched = WatchedJob(
        Job.read(path / JOB_FILE), path, n_requeues=n_requeues, max_requeues=max_requeues
    )
    claim = FolderClaim(path, submission)
    with _interrupted() as interrupted:
        if not claim.take(interrupted.is_set):
            return _outcome(watched, "ended", "cancelled before it started")
        try:
            return _run(watched, claim, command, threads, grace_seconds, interrupted)
        finally:
            claim.release()


def _run(
    watched: WatchedJob,
    claim: FolderClaim,
    command: Sequence[str],
    threads: int,
    grace_seconds: float,
    interrupted: threading.Event,
) -> dict[str, Any]:
    _end_remains(watched.folder)
    if interrupted.is_set():
        return _outcome(watched, "ended", "cancelled before it started")
    watched.start(command, {**os.environ, **thread_environment(threads)})
    with _guarded(watched):
        try:
            while watched.phase == "running":
                if not watched.is_alive:
                    watched.notice_end()
                elif not claim.beat():
                    watched.signal(signal.SIGKILL)
                    return _outcome(watched, "lost", "its folder was taken by another machine")
                elif interrupted.is_set():
                    _cancel(watched, claim, grace_seconds)
                else:
                    time.sleep(_POLL_SECONDS)
        except BaseException:  # Ray ends this worker, as it does when the driver is gone
            _cancel(watched, claim, grace_seconds)
            raise
    return _outcome(watched, watched.phase, watched.reason)


def _end_remains(folder: Path) -> None:
    """Kill what a worker that is gone has left on this machine, and wait until it is dead."""
    mark = read_mark(folder)
    while mark is not None and mark.is_alive:
        signal_group(mark.pid, signal.SIGKILL)
        time.sleep(0.01)


def _cancel(watched: WatchedJob, claim: FolderClaim, grace_seconds: float) -> None:
    watched.reason = "cancelled"
    watched.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while watched.is_alive and time.monotonic() < deadline and claim.beat():
        time.sleep(0.02)
    watched.signal(signal.SIGKILL)
    while watched.is_alive:  # not for long: nothing survives SIGKILL
        time.sleep(0.01)
    watched.notice_end()


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Note that Ray cancels the task, where it would raise KeyboardInterrupt at any line."""
    event = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _guarded(watched: WatchedJob) -> Iterator[None]:
    """See that the job's processes do not outlive this one."""
    leader = watched.child or watched.mark
    if leader is None:  # an earlier start had left a result
        yield
        return
    read_end, write_end = os.pipe()
    try:
        guard = ["/bin/sh", "-c", _GUARD, "sh", str(leader.pid)]
        silent = subprocess.DEVNULL
        subprocess.run(
            guard, stdin=read_end, stdout=silent, stderr=silent, start_new_session=True, check=True
        )
    finally:
        os.close(read_end)
    try:
        yield
        os.write(write_end, b"over\n")
    finally:
        os.close(write_end)


def _outcome(watched: WatchedJob, phase: str, reason: str) -> dict[str, Any]:
    return {
        "phase": phase,
        "reason": reason,
        "seconds": watched.seconds,
        "n_requeues": watched.n_requeues,
    }
