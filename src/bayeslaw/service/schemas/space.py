"""Checking a space before a study is made of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from bayeslaw.service.schemas.architecture import ArchitectureBody
from bayeslaw.service.schemas.measurement import WorkloadBody
from bayeslaw.service.schemas.names import Body, Document
from bayeslaw.service.schemas.study import EXAMPLE_CONFIG


class SpaceBody(Body):
    """A space alone; see `bayeslaw.space.SearchSpace`."""

    axes: Annotated[
        dict[str, Any],
        Field(
            max_length=50,
            description="For each axis a value, choices, or `{min, max, step}`.",
            examples=[EXAMPLE_CONFIG["space"]["axes"]],
        ),
    ]
    constraints: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=100)
    ] = Field(default_factory=list)
    tensor_parallel: Annotated[int, Field(ge=1, le=10**6)] = 1
    workload: WorkloadBody | None = None


class SpaceQuestion(Body):
    """A whole study's config, or a space alone: one of the two."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["config"]}, {"required": ["space"]}]}
    )

    config: Annotated[dict[str, Any] | None, Field(examples=[EXAMPLE_CONFIG])] = None
    space: SpaceBody | None = None


class SpaceProblem(Document):
    """One thing that is wrong."""

    part: Annotated[str, Field(description="`config`, `space`, `training` or `target`.")]
    detail: str


class MemberCount(Document):
    """How many members meet all constraints."""

    low: Annotated[float, Field(description="Certainly members.")]
    high: Annotated[float, Field(description="Not ruled out.")]
    estimate: float


class SpaceAnswer(Document):
    """Whether a study could be made of it."""

    is_valid: bool
    problems: list[SpaceProblem]
    n_members: MemberCount | None
    examples: list[ArchitectureBody]
