"""What is believed: recommendations, posteriors, diagnostics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from bayeslaw.service.schemas.names import LARGEST_COUNT, Instant
from bayeslaw.service.schemas.operation import OperationDocument
from bayeslaw.service.schemas.plan import Interval


class BasedOn(BaseModel):
    """Which results an answer knows of; the planner adds what it found."""

    model_config = ConfigDict(extra="allow")

    based_on_seq: Annotated[int, Field(description="The last event it knows of.")]
    made_at: Instant
    is_current: Annotated[bool, Field(description="Whether it knows of every result.")]


class Recommendation(BaseModel):
    """An architecture for the target, or a front of them, with intervals."""

    model_config = ConfigDict(extra="allow")


class RecommendationAsked(BaseModel):
    """It is not there yet; the operation tells when it is."""

    operation: OperationDocument


class LawPosterior(BaseModel):
    """One law as it was fitted."""

    model_config = ConfigDict(extra="allow")

    law: str
    method: Annotated[str, Field(description="`nuts` or `laplace`.")] = ""
    weight: Annotated[float | None, Field(description="Its share in predictions.")] = None
    coefficients: dict[str, Interval] = {}
    diagnostics: dict[str, Any] = {}


class Posterior(BasedOn):
    """Coefficients of every law, with intervals and weights."""

    laws: list[LawPosterior] = []


class PlannerState(BaseModel):
    """How the planner is."""

    model_config = ConfigDict(extra="allow")

    is_alive: bool
    detail: str = ""


class Diagnostics(BaseModel):
    """What to know before one believes the rest."""

    model_config = ConfigDict(extra="allow")

    planner: PlannerState
    notes: list[Any] = []


TargetParams = Annotated[
    int | None, Query(ge=1, le=LARGEST_COUNT, description="Weights of the network to choose.")
]
TargetTokens = Annotated[
    int | None, Query(ge=1, le=LARGEST_COUNT, description="Tokens it will be trained on.")
]
Limits = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]],
    Query(
        max_length=20,
        description="Comparisons that must hold, such as `tpot_ms <= 0.95 * baseline`; repeated.",
    ),
]
Objectives = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]],
    Query(max_length=10, description="What is wanted, best first, such as `-loss_nats`; repeated."),
]
LawName = Annotated[
    str, Query(max_length=200, pattern=r"^[a-z0-9_]*$", description="One law; the best if empty.")
]
