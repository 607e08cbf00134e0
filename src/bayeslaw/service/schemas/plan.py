"""What would be done next, and why."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from bayeslaw.service.schemas.architecture import ArchitectureBody
from bayeslaw.service.schemas.names import Document, Instant
from bayeslaw.service.schemas.suggest import WhyNone


class Interval(BaseModel):
    """Where a figure lies, 5 % below and 5 % above left out; null where that is not finite."""

    model_config = ConfigDict(extra="allow")

    p05: float | None
    p50: float | None
    p95: float | None


class PlannedItem(BaseModel):
    """A run that is worth doing; figures are null while nothing is known of them."""

    model_config = ConfigDict(extra="allow")

    rank: Annotated[int, Field(description="Lower is handed out first.")]
    architecture: ArchitectureBody
    n_tokens: int
    loss_nats: Annotated[Interval | None, Field(description="Predicted [nats per token].")] = None
    ttft_ms: Annotated[Interval | None, Field(description="Time to the first token [ms].")] = None
    tpot_ms: Annotated[Interval | None, Field(description="Time per later token [ms].")] = None
    cost_gpu_hours: Annotated[Interval | None, Field(description="Device-hours [h].")] = None
    value: Annotated[float | None, Field(description="What it would teach, by its method.")] = None
    value_per_hour: float | None = None
    why: Annotated[str, Field(description="Why it was chosen, for people.")] = ""
    record: dict[str, Any] = {}


class PlanDocument(Document):
    """The plan as it was made; what was handed out since is not taken out of it."""

    based_on_seq: Annotated[int | None, Field(description="The last event it knows of.")]
    made_at: Instant | None
    is_current: Annotated[bool, Field(description="Whether it knows of every result.")]
    items: list[PlannedItem]
    measure: Annotated[list[ArchitectureBody], Field(description="Architectures worth timing.")]
    notes: list[Any]
    exhausted: Annotated[
        WhyNone | None, Field(description="Why there will be nothing, unless something changes.")
    ]
    waiting: Annotated[WhyNone | None, Field(description="Why there is nothing at present.")]
    pending: Annotated[int, Field(description="Planned runs that nobody has begun.")]
    n_ready: Annotated[int, Field(description="Items that are still to be handed out.")]
