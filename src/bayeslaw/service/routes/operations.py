"""What takes longer than an answer may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service.answering import json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.paging import page, position_of
from bayeslaw.service.parts import Here, Parts
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.names import (
    OperationPath,
    PageSize,
    PageToken,
    StudyPath,
    WaitSeconds,
)
from bayeslaw.service.schemas.operation import OperationDocument, OperationPage, operation_answer
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.security import recheck
from bayeslaw.store import Operation

router = lean_router("operations")


@router.get(
    "/v1/studies/{study_id}/operations",
    response_model=OperationPage,
    summary="List operations",
    responses=problems(404),
)
async def list_operations(
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    page_size: PageSize = 100,
    page_token: PageToken = "",
) -> Response:
    """List what was asked of a study's planner, oldest first."""
    after = position_of(page_token)
    found = await parts.reads.ask(
        lambda reader: page(
            "operations",
            reader.operations(study_id, after=after, limit=page_size + 1),
            page_size,
            operation_answer,
        )
    )
    return json_response(found)


@router.get(
    "/v1/operations/{operation_id}",
    response_model=OperationDocument,
    summary="Look at an operation, or wait for it",
    responses=problems(404),
)
async def get_operation(
    request: Request,
    parts: Here,
    caller: MayRead,
    operation_id: OperationPath,
    wait_s: WaitSeconds = 0.0,
) -> Response:
    """Return an operation, at once when it has ended, else after `wait_s` at the latest."""
    operation = await waited_for(request, parts, operation_id, wait_s)
    headers = {}
    if operation.status == "pending":
        headers["Retry-After"] = str(parts.settings.retry_after_s)
    return json_response(operation_answer(operation), headers=headers)


async def waited_for(request: Request, parts: Parts, operation_id: str, wait_s: float) -> Operation:
    """Return an operation once it has ended, or as it is when the time is over.

    Raises:
        NotFoundError: No such operation.
        ProblemError: The caller's token ended meanwhile.
    """
    operation = await parts.reads.ask(lambda reader: reader.operation(operation_id))
    if operation.status == "pending" and wait_s > 0:
        await parts.watch.until(
            lambda news: operation_id not in news.pending, min(wait_s, parts.settings.max_wait_s)
        )
        await recheck(request)
        operation = await parts.reads.ask(lambda reader: reader.operation(operation_id))
    return operation


def failure(error: Mapping[str, Any]) -> ProblemError:
    """Return the problem that a failed operation is to whoever asked for it.

    >>> failure({"status": 422, "code": "not-enough-runs", "detail": "8 are needed"}).code
    'not-enough-runs'
    """
    status = error.get("status")
    if status not in (404, 409, 422):
        status = 503
    return ProblemError(
        status,
        str(error.get("code") or "planner-unavailable"),
        str(error.get("detail") or "the planner could not answer"),
        str(error.get("todo") or ""),
        {"Retry-After": "10"} if status == 503 else None,
    )
