"""Signs of life of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import RUN_PATH, ReportVerb, Verb
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.run import run_answer
from bayeslaw.service.schemas.verbs import Heartbeat, Report, ShouldStop
from bayeslaw.store import Change, StoredRun
from bayeslaw.study.state import StudyState

router = lean_router("runs")
_ANSWERS = problems(404, 409, 412, with_body=True)


@router.post(
    RUN_PATH + ":heartbeat", response_model=ShouldStop, summary="Renew a lease", responses=_ANSWERS
)
async def heartbeat(verb: ReportVerb, body: Heartbeat) -> Response:
    """Say that the run is under way, and keep it for so many seconds from now.

    Once somebody has stopped the run, `should_stop` says so. Once it is not this worker's any more,
    the answer is 409 `lease-lost`: stop working on it.
    """

    def change(state: StudyState) -> None:
        state.heartbeat(verb.run_id, body.worker_id, body.lease_s, progress=body.progress)

    return await _sign_of_life(verb, change)


@router.post(
    RUN_PATH + ":report",
    response_model=ShouldStop,
    summary="Report losses on the way",
    responses=_ANSWERS,
)
async def report(verb: ReportVerb, body: Report) -> Response:
    """Keep losses on the way as an event; this renews no lease."""
    points = [point.model_dump(exclude_none=True) for point in body.points]

    def change(state: StudyState) -> None:
        state.report(verb.run_id, body.worker_id, points)

    return await _sign_of_life(verb, change)


async def _sign_of_life(verb: Verb, tell: Callable[[StudyState], None]) -> Response:
    def reply(_: StoredRun, after: StoredRun, study: Change) -> dict[str, Any]:
        reason = ""
        if after.run.status == "stopped":
            reason = f"the run was stopped: {after.run.reason}"
        elif study.state == "closed":
            reason = "the study is closed"
        run = run_answer(verb.study_id, after)
        return {"run": run, "should_stop": bool(reason), "reason": reason}

    return await verb.answer(tell, reply, unless_stopped=True)
