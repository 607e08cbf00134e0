"""Jobs driven to their end by one process: planned runs trained, networks timed."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bayeslaw.errors import StateError
from bayeslaw.executors import Executor, JobHandle
from bayeslaw.runs import JobResult, Run
from bayeslaw.study.state import StudyState

Notify = Callable[[str, Mapping[str, Any]], None]
"""Hears what happens: ``(kind, details)``, kinds are ``step``, ``progress`` and ``ended``."""

Submit = Callable[[Run], JobHandle]
"""Gives a run's training job to the executor."""

_LEASE_SECONDS = 60.0
_HEARTBEAT_SECONDS = 15.0
_TRAINING_POLL_SECONDS = 0.1
_MAX_LOST = 3
# What the names of a driver's workers begin with.
_WORKER = "local-"


@dataclass(frozen=True)
class _Working:
    """A job that a worker is busy with."""

    run: Run
    handle: JobHandle
    beat: float
    n_lost: int = 0


@contextmanager
def sole_driver(folder: Path) -> Iterator[None]:
    """Keep a second process from driving the same study or suite; a crash lets go of it.

    Raises:
        StateError: Another process is driving it.
    """
    with (folder / "driver.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"another process is driving {folder}; wait for it to end") from None
        yield


def train_planned(
    state: StudyState, executor: Executor, submit: Submit, notify: Notify
) -> list[Run]:
    """Train every planned run, one a slot of the executor, and return them ended.

    A run that somebody else ends meanwhile is let go. Interrupted, the runs under way are given
    back. The caller is the study's `sole_driver`.
    """
    workers = [f"{_WORKER}{slot}" for slot in range(executor.slots)]
    # Nobody else drives, so whoever holds a lease under such a name is dead; taken back here, its
    # run is not counted as lost by a worker that went wrong.
    for lease in state.status()["leases"]:
        if lease["worker_id"].startswith(_WORKER):
            state.requeue(lease["run_id"], "its driver is gone")
    ended: list[Run] = []
    active: dict[str, _Working] = {}
    waits_for: set[str] = set()
    try:
        while True:
            for worker in workers:
                if worker not in active and (run := state.lease(worker, _LEASE_SECONDS)):
                    active[worker] = _Working(run, submit(run), time.monotonic())
            if not active:
                return ended
            time.sleep(max(_TRAINING_POLL_SECONDS, executor.poll_seconds))
            waited_for, waits_for = waits_for, set()
            for worker, working in list(active.items()):
                job = executor.poll(working.handle)
                waits_for |= {job.waits_for} - {""}
                notify("progress", {"run_id": working.run.run_id, **job.progress})
                if job.phase == "lost" and working.n_lost < _MAX_LOST:
                    # Taken over from an earlier process and gone without a result: it resumes.
                    submit(working.run)
                    active[worker] = replace(working, n_lost=working.n_lost + 1)
                elif job.is_over:
                    del active[worker]
                    result = executor.collect(working.handle)
                    done = state.complete(working.run.run_id, result, worker_id=worker)
                    notify("ended", {"run": done})
                    ended.append(done)
                elif time.monotonic() - working.beat > _HEARTBEAT_SECONDS:
                    active[worker] = replace(working, beat=time.monotonic())
                    try:
                        state.heartbeat(working.run.run_id, worker, _LEASE_SECONDS)
                    except StateError:
                        # Somebody ended the run, or the machine slept through its lease: then
                        # whoever leases it next takes over its job.
                        del active[worker]
                        if state.run(working.run.run_id).is_ended:
                            executor.cancel(working.handle)
            if waits_for - waited_for:
                notify("step", {"text": f"queued runs wait for: {', '.join(sorted(waits_for))}"})
    except BaseException:
        for worker, working in active.items():
            with suppress(StateError):  # it has been ended by somebody else
                state.requeue(working.run.run_id, f"{worker} was interrupted")
        raise


def await_result(executor: Executor, handle: JobHandle) -> JobResult:
    """Wait for a job that needs no lease, such as a timing, and return what it answered."""
    while not executor.poll(handle).is_over:
        time.sleep(executor.poll_seconds)
    return executor.collect(handle)
