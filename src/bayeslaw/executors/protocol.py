"""The port: how a study gets its jobs done, wherever that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from bayeslaw.runs import Job, JobResult

JobPhase = Literal["queued", "running", "ended", "lost"]


@dataclass(frozen=True, slots=True)
class JobHandle:
    """Name a submitted job; whatever else is known of it lies in its folder.

    Attributes:
        run_id: Of the job.
        folder: Where job.json, result.json and the job's output are.
    """

    run_id: str
    folder: Path


@dataclass(frozen=True, slots=True)
class JobState:
    """Say how a job is doing.

    Attributes:
        phase: ``queued`` (also again, when it asked for that), ``running``, ``ended`` (it has an
            exit code or a result) or ``lost`` (it is gone without a trace; submitting it again is
            safe).
        progress: What it last said on stdout, as JSON; empty when nothing yet.
        waits_for: Why a queued job waits, in the engine's own words; empty when it does not say.
    """

    phase: JobPhase
    progress: dict[str, Any] = field(default_factory=dict)
    waits_for: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it can be collected."""
        return self.phase in ("ended", "lost")


class Executor(Protocol):
    """Run jobs; keep no state but what lies in their folders, so that a restart loses nothing.

    What a lab may rely on: it is started in the job's folder, with the variable
    ``BAYESLAW_ATTEMPT`` saying which start of this job that is, 1 for the first. It ends with a
    ``result.json`` there, or with exit code 85 and none: "I was told to stop (SIGTERM, SIGUSR1,
    SIGUSR2), my state is saved, start me again". Such a job is queued again, so many times that a
    lab which never gets anywhere still comes to an end, and unless it was `cancel` that told it.
    Any other end without a result is a failure.

    Used in a ``with`` block, jobs that still run are cancelled when the block is left, be it by
    Ctrl-C or SIGTERM.
    """

    def __enter__(self) -> Executor:
        """Begin; SIGTERM now leaves the block in order."""
        ...

    def __exit__(self, *_: object) -> None:
        """Cancel what still runs, all at once, and close."""
        ...

    @property
    def slots(self) -> int:
        """Jobs that run at once; more may be submitted, they queue."""
        ...

    @property
    def poll_seconds(self) -> float:
        """How often asking is worthwhile [s]."""
        ...

    def submit(self, job: Job, folder: Path) -> JobHandle:
        """See that the job gets done in the folder, and return at once.

        It may start only when next something is polled: nothing need go on in the background.
        Submitting a job again in its folder is how to go on after a crash: finished, it is not
        run again; still running, it is taken over; dead, it is started again and may resume.

        Raises:
            StateError: The folder holds another job.
            UnavailableError: This machine cannot run jobs this way.
        """
        ...

    def poll(self, handle: JobHandle) -> JobState:
        """Return how the job is doing, without waiting.

        Raises:
            NotFoundError: This executor was never given that job.
        """
        ...

    def cancel(self, handle: JobHandle) -> None:
        """End the job and its children, politely first; it is over when this returns.

        Raises:
            NotFoundError: This executor was never given that job.
        """
        ...

    def collect(self, handle: JobHandle) -> JobResult:
        """Return what the job answered; a job that answered nothing has failed, with the reason.

        The result's record says under ``attempts`` how often the job was started, also where the
        lab did not.

        Raises:
            NotFoundError: This executor was never given that job.
            StateError: The job is not over.
        """
        ...

    def close(self) -> None:
        """Let go of what this executor holds; jobs that run are left to finish."""
        ...
