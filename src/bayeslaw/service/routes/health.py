"""Whether the service is up; for machines that ask without a token."""

from __future__ import annotations

import asyncio
import secrets
import time

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.errors import UnavailableError
from bayeslaw.service.answering import json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here, Parts
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.schemas.health import Alive, Ready
from bayeslaw.service.schemas.problem import problem
from bayeslaw.store import Answer, Transaction

router = lean_router("health")

# Anybody may ask, so the store is tried at most so often, and for so long [s].
_TRIED_EVERY_S = 1.0
_TRIED_FOR_S = 5.0


@router.get(
    "/healthz",
    response_model=Alive,
    summary="Is the process there?",
    responses={status: problem(status) for status in (400, 421, 422, 405)},
)
async def healthz() -> Response:
    """Answer, which is all that is asked."""
    return json_response({"alive": True})


@router.get(
    "/readyz",
    response_model=Ready,
    summary="Can results and questions be taken?",
    responses={status: problem(status) for status in (400, 405, 421, 422, 503)},
)
async def readyz(request: Request, parts: Here) -> Response:
    """Try to read and to write the store.

    A planner that is down keeps nobody from handing in results, so it is told apart: `planning`.
    """
    state = request.app.state
    last: tuple[float, asyncio.Task[None]] | None = getattr(state, "store_tried", None)
    if last is None or (last[1].done() and time.monotonic() - last[0] > _TRIED_EVERY_S):
        last = state.store_tried = time.monotonic(), asyncio.create_task(_try_store(parts))
    await asyncio.shield(last[1])
    planner = parts.planner_state()
    return json_response({"ready": True, "store": {"is_ready": True}, "planner": planner})


async def _try_store(parts: Parts) -> None:
    try:
        async with asyncio.timeout(_TRIED_FOR_S):
            await parts.reads.ask(lambda reader: reader.last_seq())
            await parts.writer.run(_write_something)
    except TimeoutError:
        raise _not_ready(f"the store did not answer within {_TRIED_FOR_S:g} s") from None
    except UnavailableError as error:
        raise _not_ready(str(error)) from None


def _write_something(transaction: Transaction) -> None:
    """Write a row and take it out again, which a disk that is full does not let happen."""
    answer = Answer("", 200, {}, "")
    transaction.remember("", f"readyz-{secrets.token_hex(8)}", answer, at=0.0)
    transaction.forget_answers(1.0)


def _not_ready(detail: str) -> ProblemError:
    return ProblemError(
        503, "store-unavailable", detail, "see the service's log", {"Retry-After": "1"}
    )
