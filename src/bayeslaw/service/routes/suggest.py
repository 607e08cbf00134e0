"""Asking for runs to do: from the plan that is kept ahead."""

from __future__ import annotations

import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.errors import NotFoundError
from bayeslaw.service.answering import Reply, Writing
from bayeslaw.service.freshness import is_current
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import Planning
from bayeslaw.service.routes.operations import failure
from bayeslaw.service.schemas.names import StudyPath
from bayeslaw.service.schemas.operation import operation_answer
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.run import run_answer
from bayeslaw.service.schemas.suggest import Asked, Suggest, Suggested
from bayeslaw.service.security import recheck
from bayeslaw.service.watch import News
from bayeslaw.store import Operation, Reader, Transaction

router = lean_router("runs")

# Reasons that end without anybody doing something, so worth waiting for.
_PASSES = frozenset({"waiting-for-fit", "waiting-for-results", "budget-committed"})


@router.post(
    "/v1/studies/{study_id}/runs:suggest",
    response_model=Suggested,
    summary="Ask for runs to do",
    responses={
        202: {
            "model": Asked,
            "description": "Nothing is planned yet; ask again when the operation is done.",
            "headers": {
                "Location": {"description": "The operation.", "schema": {"type": "string"}},
                "Retry-After": {"description": "When [s].", "schema": {"type": "integer"}},
            },
        },
        **problems(404, 409, with_body=True),
    },
)
async def suggest(
    request: Request, writing: Planning, study_id: StudyPath, body: Suggest
) -> Response:
    """Lease runs to a worker: what it still holds, what waits, then the plan's next.

    A worker that asks again gets its own runs back. Where there is nothing to do, the list is empty
    and `reason` says why; a reason that passes is told when `wait_s` is over.
    """
    ends = time.monotonic() + min(body.wait_s, writing.parts.settings.max_wait_s)
    attempt = _Attempt(writing, study_id, body)
    while True:
        left = ends - time.monotonic()
        is_ending = attempt.is_given_up or writing.parts.watch.is_stopped
        attempt.is_last = left <= 0 or is_ending
        response = await writing.try_answer(attempt, study_id=study_id, is_urgent=True)
        if response is not None:
            return response
        await attempt.wait(left)
        await recheck(request)
        # Nobody is there any more to work on a run.
        attempt.is_given_up = await request.is_disconnected()


class _Attempt:
    """Try to hand out runs, in the writer's thread; remember what is waited for between tries."""

    def __init__(self, writing: Writing, study_id: str, body: Suggest) -> None:
        self._parts = writing.parts
        self._study_id = study_id
        self._body = body
        self._asked = ""
        self._told: dict[str, Any] | None = None
        self.is_last = False
        self.is_given_up = False

    def __call__(self, transaction: Transaction) -> Reply | None:
        """Return runs, or why there are none; None when it pays to wait."""
        body, state = self._body, self._parts.state(self._study_id)
        if not self.is_given_up:
            runs = state.suggest(
                body.worker_id,
                body.count,
                lease_seconds=body.lease_s,
                max_gpu_hours=body.max_gpu_hours,
                device=body.device,
            )
            if runs:
                return Reply({"runs": [run_answer(self._study_id, run) for run in runs]})
        if (reason := self._reason(transaction)) is not None:
            if self.is_last or reason["code"] not in _PASSES:
                passes = reason["code"] in _PASSES or reason["code"] == "study-paused"
                return Reply({"runs": [], "reason": {**reason, "passes": passes}})
            self._asked, self._told = "", reason
            return None
        operation = self._operation(transaction)
        self._asked = operation.operation_id
        if not self.is_last:
            return None
        headers = {
            "Location": f"/v1/operations/{operation.operation_id}",
            "Retry-After": str(self._parts.settings.retry_after_s),
        }
        return Reply({"operation": operation_answer(operation)}, 202, headers)

    async def wait(self, timeout_s: float) -> None:
        """Wait until the planner has answered, or a run is there for one more worker."""

        def is_there(news: News) -> bool:
            is_answered = bool(self._asked) and self._asked not in news.pending
            return is_answered or news.take_ready(self._study_id)

        await self._parts.watch.until(is_there, timeout_s, study_id=self._study_id)

    def _reason(self, transaction: Transaction) -> dict[str, Any] | None:
        """Return why there is nothing, where that is known."""
        reader, state = transaction.reader, transaction.change(self._study_id).state
        if state != "active":
            detail = f"study {self._study_id!r} is {state}, so it hands out no runs"
            todo = "ask again once it is active" if state == "paused" else "end"
            return {"code": f"study-{state}", "detail": detail, "todo": todo}
        return self._exhausted(reader) or self._answered(reader) or self._told

    def _exhausted(self, reader: Reader) -> dict[str, Any] | None:
        """Return why the plan is at its end, unless something was learnt since."""
        try:
            plan = reader.view(self._study_id, "plan")
        except NotFoundError:
            return None
        exhausted = plan.payload.get("exhausted")
        is_said = exhausted and is_current(reader, self._study_id, plan.based_on_seq)
        return exhausted if is_said else None

    def _answered(self, reader: Reader) -> dict[str, Any] | None:
        """Return why there is nothing, as the planner answered what was asked."""
        if not self._asked:
            return None
        operation = reader.operation(self._asked)
        if operation.error is not None:
            raise failure(operation.error)
        return (operation.result or {}).get("reason")

    def _operation(self, transaction: Transaction) -> Operation:
        """Return what the planner was asked, by whoever came first."""
        body, reader = self._body, transaction.reader
        for operation in reader.pending_operations():
            is_same = (operation.kind, operation.study_id) == ("suggest", self._study_id)
            if is_same and operation.request.get("max_gpu_hours") == body.max_gpu_hours:
                return operation
        operation = Operation(
            operation_id=f"suggest-{secrets.token_hex(12)}",
            study_id=self._study_id,
            kind="suggest",
            request={
                "count": body.count,
                "max_gpu_hours": body.max_gpu_hours,
                "device": body.device,
            },
            created_at=self._parts.clock(),
        )
        transaction.add_operation(operation)
        return operation
