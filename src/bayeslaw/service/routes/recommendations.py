"""Which architecture to choose for a target."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.errors import NotFoundError
from bayeslaw.service.answering import json_response
from bayeslaw.service.freshness import is_current
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here, Parts
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.routes.operations import failure, waited_for
from bayeslaw.service.schemas.beliefs import (
    Limits,
    Objectives,
    Recommendation,
    RecommendationAsked,
    TargetParams,
    TargetTokens,
)
from bayeslaw.service.schemas.names import StudyPath, WaitSeconds, instant
from bayeslaw.service.schemas.operation import operation_answer
from bayeslaw.service.schemas.problem import problems
from bayeslaw.store import Operation, Reader, Transaction

router = lean_router("beliefs")

# A planner that failed is asked again, by another operation, once so much time has passed [s].
_FAILURE_STANDS_S = 30.0


@router.get(
    "/v1/studies/{study_id}/recommendations",
    response_model=Recommendation,
    summary="Recommend an architecture",
    responses={
        202: {
            "model": RecommendationAsked,
            "description": "It is being worked out; ask again when the operation is done.",
            "headers": {
                "Location": {"description": "The operation.", "schema": {"type": "string"}},
                "Retry-After": {"description": "When [s].", "schema": {"type": "integer"}},
            },
        },
        **problems(404, 409),
    },
)
async def get_recommendation(
    request: Request,
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    n_params: TargetParams = None,
    n_tokens: TargetTokens = None,
    limit: Limits = [],  # noqa: B006
    objective: Objectives = [],  # noqa: B006
    wait_s: WaitSeconds = 0.0,
) -> Response:
    """Recommend for the study's own target, or for another scale, other limits or objectives.

    The same question about the same posterior is worked out once. For the study's own target the
    last answer is given while a newer one is not there yet; `is_current` tells.
    """
    question: dict[str, Any] = {
        "n_params": n_params,
        "n_tokens": n_tokens,
        "limits": limit,
        "objectives": objective,
    }
    is_own = not any(question.values())
    if is_own:
        kept = await parts.reads.ask(lambda reader: _kept(reader, study_id))
        if kept is not None and kept["is_current"]:
            return json_response(kept)
    operation = await _asked(parts, study_id, question)
    operation = await waited_for(request, parts, operation.operation_id, wait_s)
    if is_own and operation.error is None:
        kept = await parts.reads.ask(lambda reader: _kept(reader, study_id))
        if kept is not None:
            return json_response(kept)
    if operation.error is not None:
        raise failure(operation.error)
    if operation.result is not None:
        return json_response(operation.result)
    headers = {
        "Location": f"/v1/operations/{operation.operation_id}",
        "Retry-After": str(parts.settings.retry_after_s),
    }
    return json_response({"operation": operation_answer(operation)}, 202, headers)


def _kept(reader: Reader, study_id: str) -> dict[str, Any] | None:
    """Return the last recommendation for the study's own target, which the planner keeps."""
    try:
        view = reader.view(study_id, "recommendation")
    except NotFoundError:
        reader.study(study_id)
        return None
    return {
        **view.payload,
        "based_on_seq": view.based_on_seq,
        "made_at": instant(view.at),
        "is_current": is_current(reader, study_id, view.based_on_seq),
    }


async def _asked(parts: Parts, study_id: str, question: dict[str, Any]) -> Operation:
    """Return the operation that answers a question, asking it where nobody has.

    Its name is made of the question and of what is believed, so one question is asked once.
    """

    def ask(transaction: Transaction) -> Operation:
        transaction.reader.study(study_id)
        based_on = transaction.reader.view_based_on(study_id, "posterior")
        n_tries = 0
        while True:
            name = _name(study_id, question, based_on, n_tries)
            try:
                operation = transaction.reader.operation(name)
            except NotFoundError:
                operation = Operation(
                    name, study_id, "recommend", question, created_at=parts.clock()
                )
                transaction.add_operation(operation)
                return operation
            if not _may_try_again(operation, parts.clock()):
                return operation
            n_tries += 1

    return await parts.writer.run(ask, study_id=study_id)


def _name(study_id: str, question: dict[str, Any], based_on: int | None, n_tries: int) -> str:
    content = json.dumps([study_id, question, based_on, n_tries], sort_keys=True)
    return "recommend-" + hashlib.sha256(content.encode()).hexdigest()[:24]


def _may_try_again(operation: Operation, now: float) -> bool:
    if operation.error is None or operation.error.get("status") in (404, 409, 422):
        return False
    return now - (operation.finished_at or now) > _FAILURE_STANDS_S
