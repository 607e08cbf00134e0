"""Checking a space before a study is made of it."""

from __future__ import annotations

from starlette.responses import Response

from bayeslaw.errors import InvalidInputError
from bayeslaw.service.answering import json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.space import SpaceAnswer, SpaceQuestion

router = lean_router("studies")


@router.post(
    "/v1/spaces:validate",
    response_model=SpaceAnswer,
    summary="Check a space before a study is made of it",
    responses=problems(with_body=True),
)
async def validate_space(parts: Here, caller: MayRead, body: SpaceQuestion) -> Response:
    """Say what is wrong with a config or a space, and show members. Nothing is kept.

    For a config, members and examples are of the space that runs are made in.
    """
    if (body.config is None) == (body.space is None):
        raise InvalidInputError("give a config or a space, one of the two")
    return json_response(await parts.space_checks.check(body.model_dump(exclude_none=True)))
