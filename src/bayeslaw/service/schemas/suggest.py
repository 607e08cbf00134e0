"""Asking for runs to do."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bayeslaw.service.schemas.names import Body, Document, LeaseSeconds, WorkerId
from bayeslaw.service.schemas.operation import OperationDocument
from bayeslaw.service.schemas.run import RunDocument


class Suggest(Body):
    """Who asks for how much work."""

    worker_id: WorkerId
    count: Annotated[int, Field(ge=1, le=100, description="Runs wanted.")] = 1
    max_gpu_hours: Annotated[
        float | None, Field(gt=0, le=1e9, description="Longest run that is taken [h].")
    ] = None
    device: Annotated[
        str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="What it runs on.")
    ] = ""
    lease_s: LeaseSeconds = 300.0
    wait_s: Annotated[
        float,
        Field(ge=0, le=60, description="How long the answer may take when there is none [s]."),
    ] = 0.0


class WhyNone(Document):
    """Why there is no run."""

    code: Annotated[str, Field(description="For programs, such as `budget-spent`.")]
    detail: Annotated[str, Field(description="For people.")]
    todo: Annotated[str, Field(description="What can be done about it.")] = ""
    passes: Annotated[
        bool, Field(description="Whether asking again later may help; else nothing will come.")
    ] = False


class Suggested(Document):
    """Runs that are this worker's now; none, with the reason, when there will be none."""

    runs: list[RunDocument]
    reason: WhyNone | None = None


class Asked(Document):
    """Nothing is planned yet; the operation tells when there is."""

    operation: OperationDocument
