"""What is decided about a run: that it goes back, ends, or is not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import RUN_PATH, EitherVerb, PlanVerb, Verb
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.run import run_answer
from bayeslaw.service.schemas.verbs import ChangedRun, Requeue, Stop, Supersede
from bayeslaw.service.security import authorise
from bayeslaw.store import Change, StoredRun
from bayeslaw.study.state import StudyState

router = lean_router("runs")
_ANSWERS = problems(404, 409, 412, with_body=True)
_may_plan = authorise("plan")


@router.post(
    RUN_PATH + ":requeue",
    response_model=ChangedRun,
    summary="Give a run back",
    responses=_ANSWERS,
)
async def requeue(request: Request, verb: EitherVerb, body: Requeue) -> Response:
    """Let a run be handed out again, uncounted.

    A worker that shuts down gives its own run back and names itself: scope `report`. Without
    `worker_id` the run is taken from whoever has it: scope `plan`.
    """
    if body.worker_id is None:
        await _may_plan(request)

    def change(state: StudyState) -> None:
        state.requeue(verb.run_id, body.reason, worker_id=body.worker_id or "")

    return await _changed(verb, change)


@router.post(
    RUN_PATH + ":stop", response_model=ChangedRun, summary="Stop a run", responses=_ANSWERS
)
async def stop(verb: PlanVerb, body: Stop) -> Response:
    """End a run because somebody decided so; its worker hears of it at its next heartbeat."""

    def change(state: StudyState) -> None:
        state.stop(verb.run_id, body.reason, cost_gpu_hours=body.cost_gpu_hours)

    return await _changed(verb, change)


@router.post(
    RUN_PATH + ":supersede",
    response_model=ChangedRun,
    summary="Retract a result",
    responses=_ANSWERS,
)
async def supersede(verb: PlanVerb, body: Supersede) -> Response:
    """Retract a done run's loss: it stays on record, and no law learns from it."""

    def change(state: StudyState) -> None:
        state.supersede(verb.run_id, body.reason)

    return await _changed(verb, change)


async def _changed(verb: Verb, change: Callable[[StudyState], None]) -> Response:
    def reply(_: StoredRun, after: StoredRun, __: Change) -> dict[str, Any]:
        return {"run": run_answer(verb.study_id, after)}

    return await verb.answer(change, reply)
