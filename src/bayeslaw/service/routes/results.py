"""How a run ends: with a result, with a failure, or without anybody knowing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from bayeslaw.runs import JobResult
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import RUN_PATH, ReportVerb, Verb
from bayeslaw.service.schemas.measurement import measurement_name
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.run import run_answer
from bayeslaw.service.schemas.verbs import Abandon, Complete, Fail, RunAndOutcome
from bayeslaw.store import Change, StoredRun
from bayeslaw.study.state import StudyState

router = lean_router("runs")
_ANSWERS = problems(404, 409, 412, with_body=True)


@router.post(
    RUN_PATH + ":complete",
    response_model=RunAndOutcome,
    summary="Hand in a result",
    responses=_ANSWERS,
)
async def complete(verb: ReportVerb, body: Complete) -> Response:
    """End a run with its loss.

    A result is taken from whoever brings it, also after the lease was lost (`is_late`). Of two
    results the first stands, and the other is kept as an event.
    """
    result = JobResult(
        verb.run_id,
        "train",
        "done",
        finished=True,
        loss_nats=body.loss_nats,
        loss_stderr=body.loss_stderr,
        bits_per_byte=body.bits_per_byte,
        curve=body.curve,
        seconds=body.cost_gpu_hours * 3600,
        record=body.record,
    )
    timing = None if body.measurement is None else body.measurement.to_measurement()

    def change(state: StudyState) -> None:
        state.complete(verb.run_id, result, worker_id=body.worker_id or "")
        if timing is not None:
            name = measurement_name(timing, verb.run_id)
            state.add_measurement(timing, measurement_id=name, run_id=verb.run_id)

    return await _ending(verb, change)


@router.post(
    RUN_PATH + ":fail",
    response_model=RunAndOutcome,
    summary="Say that training failed",
    responses=_ANSWERS,
)
async def fail(verb: ReportVerb, body: Fail) -> Response:
    """End a run whose training failed, from which the planner learns what not to train.

    The failure of a worker that lost the run to another is kept as an event.
    """
    seconds = body.cost_gpu_hours * 3600
    result = JobResult(verb.run_id, "train", "failed", reason=body.reason, seconds=seconds)

    def change(state: StudyState) -> None:
        state.complete(verb.run_id, result, worker_id=body.worker_id or "")

    return await _ending(verb, change)


@router.post(
    RUN_PATH + ":abandon",
    response_model=RunAndOutcome,
    summary="Give a run up without a verdict",
    responses=_ANSWERS,
)
async def abandon(verb: ReportVerb, body: Abandon) -> Response:
    """Give a run up: nobody knows what became of it, and nothing is learnt from it."""

    def change(state: StudyState) -> None:
        state.abandon(
            verb.run_id,
            body.reason,
            cost_gpu_hours=body.cost_gpu_hours,
            worker_id=body.worker_id or "",
        )

    return await _ending(verb, change)


async def _ending(verb: Verb, change: Callable[[StudyState], None]) -> Response:
    def reply(before: StoredRun, after: StoredRun, _: Change) -> dict[str, Any]:
        if after.version == before.version:
            outcome = "duplicate"
        else:
            outcome = "accepted" if after.run != before.run else "kept_as_evidence"
        run = run_answer(verb.study_id, after)
        return {"run": run, "outcome": outcome, "is_late": after.is_late}

    return await verb.answer(change, reply)
