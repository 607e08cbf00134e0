"""What a worker or a person says about one run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bayeslaw.service.schemas.measurement import MeasurementBody
from bayeslaw.service.schemas.names import (
    Body,
    Count,
    Document,
    Free,
    GpuHours,
    LeaseSeconds,
    Loss,
    LossError,
    Reason,
    WorkerId,
)
from bayeslaw.service.schemas.run import RunDocument

_BY = "Who says so; whoever it is, when left out."
Outcome = Literal["accepted", "duplicate", "kept_as_evidence"]


class Heartbeat(Body):
    """A sign of life."""

    worker_id: WorkerId
    lease_s: LeaseSeconds = 300.0
    progress: Annotated[Free, Field(description="Kept with the event, such as the step.")] = Field(
        default_factory=dict
    )


class Point(Body):
    """A loss on the way."""

    n_tokens: Annotated[Count, Field(description="Tokens seen so far.")]
    loss_nats: Loss
    step: Annotated[int, Field(ge=0, le=2**53 - 1)] | None = None
    loss_stderr: LossError | None = None


class Report(Body):
    """Losses on the way; they are no result, and renew no lease."""

    worker_id: WorkerId
    points: Annotated[list[Point], Field(min_length=1, max_length=1_000)]


class Complete(Body):
    """A result: the loss of a schedule that ran to its end."""

    worker_id: Annotated[WorkerId | None, Field(description=_BY)] = None
    loss_nats: Loss
    loss_stderr: LossError | None = None
    cost_gpu_hours: GpuHours
    bits_per_byte: Annotated[float, Field(gt=0, le=1e6)] | None = None
    curve: Annotated[
        list[Annotated[dict[str, float], Field(max_length=20)]],
        Field(max_length=10_000, description="Evaluations on the way."),
    ] = Field(default_factory=list)
    record: Free = Field(default_factory=dict)
    measurement: Annotated[
        MeasurementBody | None, Field(description="A timing of its network, kept beside it.")
    ] = None


class Fail(Body):
    """Training failed: diverged, did not fit. The planner learns from it."""

    worker_id: Annotated[WorkerId | None, Field(description=_BY)] = None
    reason: Reason
    cost_gpu_hours: GpuHours = 0.0


class Abandon(Body):
    """Nobody knows what became of it; nothing is learnt, and a late result is still accepted."""

    worker_id: Annotated[WorkerId | None, Field(description=_BY)] = None
    reason: Reason
    cost_gpu_hours: GpuHours = 0.0


class Stop(Body):
    """Somebody decided that it shall not go on."""

    reason: Reason
    cost_gpu_hours: GpuHours = 0.0


class Requeue(Body):
    """It shall be handed out again, and no lease counts as lost."""

    worker_id: Annotated[
        WorkerId | None, Field(description="The worker that gives its own run back.")
    ] = None
    reason: Reason


class Supersede(Body):
    """Its loss must not be believed any more."""

    reason: Reason


class ShouldStop(Document):
    """Whether to go on."""

    run: RunDocument
    should_stop: bool
    reason: Annotated[str, Field(description="Why to stop; empty otherwise.")]


class RunAndOutcome(Document):
    """What became of a result."""

    run: RunDocument
    outcome: Annotated[
        Outcome,
        Field(
            description="`accepted`: it is the run's; `duplicate`: it was there already; "
            "`kept_as_evidence`: another stands, this one is kept as an event."
        ),
    ]
    is_late: bool


class ChangedRun(Document):
    """The run as it now stands."""

    run: RunDocument
