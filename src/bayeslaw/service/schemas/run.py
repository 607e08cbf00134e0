"""Runs in requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import COLUMNS, Run
from bayeslaw.service.schemas.architecture import ArchitectureBody, architecture_answer
from bayeslaw.service.schemas.names import (
    Body,
    Count,
    Document,
    Free,
    GpuHours,
    Instant,
    Loss,
    LossError,
    NewName,
    NextPageToken,
    WorkerId,
    instant,
)
from bayeslaw.store import StoredRun

MOST_RUNS = 2_000
"""Runs that one request may add [count]; others wait for them."""

RunState = Literal["planned", "leased", "running", "done", "failed", "abandoned", "stopped"]


class NewRun(Body):
    """A run to be done, or one that was done elsewhere."""

    run_id: NewName | None = None
    status: Literal["planned", "done"] = "planned"
    n_tokens: Annotated[Count, Field(description="Training tokens of the whole schedule.")]
    architecture: ArchitectureBody | None = None
    columns: Annotated[
        dict[str, Annotated[float, Field(ge=0, le=1e300)]],
        Field(
            max_length=len(COLUMNS),
            description="For a run whose shape is not known: columns of a run table, such as "
            "`n_params`.",
        ),
    ] = Field(default_factory=dict)
    purpose: Annotated[
        str,
        Field(
            min_length=1,
            max_length=20,
            pattern=r"^[a-z][a-z_-]{0,19}$",
            description="Of a planned run; a done one is `imported`.",
        ),
    ] = "enqueued"
    loss_nats: Loss | None = None
    loss_stderr: LossError | None = None
    cost_gpu_hours: GpuHours | None = None
    record: Free = Field(default_factory=dict)

    def to_run(self, run_id: str) -> Run:
        """Return it as the house knows it.

        Raises:
            InvalidInputError: It lacks what its status needs, or has what does not go with it.
        """
        if unknown := sorted(set(self.columns) - set(COLUMNS)):
            raise InvalidInputError(
                f"run {run_id!r}: unknown column(s) {unknown}; known are {sorted(COLUMNS)}"
            )
        if self.architecture is None and (self.status == "planned" or not self.columns):
            raise InvalidInputError(
                f"run {run_id!r} needs an architecture"
                + ("" if self.status == "planned" else ", or columns such as n_params")
            )
        run = Run(
            run_id,
            n_tokens=self.n_tokens,
            architecture=self.architecture and self.architecture.to_architecture(),
            purpose=self.purpose if self.status == "planned" else "imported",
            cost_gpu_hours=self.cost_gpu_hours,
            columns=self.columns,
            record=self.record,
        )
        if self.status == "planned":
            if self.loss_nats is not None or self.loss_stderr is not None:
                raise InvalidInputError(f"run {run_id!r} is planned, so it has no loss yet")
            return run
        if self.loss_nats is None:
            raise InvalidInputError(f"run {run_id!r} is done, so it needs loss_nats")
        return run.complete(
            loss_nats=self.loss_nats,
            loss_stderr=self.loss_stderr,
            cost_gpu_hours=self.cost_gpu_hours or 0.0,
        )


class NewRuns(Body):
    """Runs that are added, all or none."""

    runs: Annotated[list[NewRun], Field(min_length=1, max_length=MOST_RUNS)]


class RunNames(Document):
    """The names of runs that were added, in the order they were given."""

    run_ids: list[str]


class Lease(Document):
    """Who works on a run, and until when."""

    worker_id: WorkerId
    leased_at: Instant | None
    expires_at: Instant | None


class RunDocument(Document):
    """One training run."""

    run_id: str
    study_id: str
    status: RunState
    purpose: str
    n_tokens: int
    architecture: ArchitectureBody | None
    loss_nats: float | None
    loss_stderr: float | None
    cost_gpu_hours: Annotated[
        float | None, Field(description="What it cost; predicted until it has ended [h].")
    ]
    reason: Annotated[str, Field(description="Why it failed, was abandoned or stopped.")]
    superseded: Annotated[str, Field(description="Why its loss is not believed; empty if it is.")]
    columns: dict[str, float]
    record: dict[str, Any]
    lease: Lease | None
    n_lost: Annotated[int, Field(description="Leases that ran out without a result.")]
    is_late: Annotated[
        bool, Field(description="Whether the result came from a worker that had lost its lease.")
    ]
    version: Annotated[int, Field(description="Rises with every change; the ETag.")]


class RunPage(Document):
    """Some runs of a study, in the order they were added."""

    runs: list[RunDocument]
    next_page_token: NextPageToken


def run_answer(study_id: str, entry: StoredRun) -> dict[str, Any]:
    """Return a run as JSON."""
    run = entry.run
    lease = None
    if entry.holder:
        lease = {
            "worker_id": entry.holder,
            "leased_at": None if entry.leased_at is None else instant(entry.leased_at),
            "expires_at": None if entry.expires_at is None else instant(entry.expires_at),
        }
    return {
        "run_id": run.run_id,
        "study_id": study_id,
        "status": run.status,
        "purpose": run.purpose,
        "n_tokens": run.n_tokens,
        "architecture": architecture_answer(run.architecture),
        "loss_nats": run.loss_nats,
        "loss_stderr": run.loss_stderr,
        "cost_gpu_hours": run.cost_gpu_hours,
        "reason": run.reason,
        "superseded": run.superseded,
        "columns": run.columns,
        "record": run.record,
        "lease": lease,
        "n_lost": entry.n_lost,
        "is_late": entry.is_late,
        "version": entry.version,
    }
