"""What would be done next, and why."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from bayeslaw.errors import NotFoundError
from bayeslaw.service.answering import json_response
from bayeslaw.service.freshness import is_current
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.names import StudyPath, instant
from bayeslaw.service.schemas.plan import PlanDocument
from bayeslaw.service.schemas.problem import problems
from bayeslaw.store import Reader, View

router = lean_router("beliefs")


@router.get(
    "/v1/studies/{study_id}/plan",
    response_model=PlanDocument,
    summary="Say what would be done next, and why",
    responses=problems(404),
)
async def get_plan(parts: Here, caller: MayRead, study_id: StudyPath) -> Response:
    """Return the plan as the planner made it last; it is empty before the first."""
    return json_response(await parts.reads.ask(lambda reader: _plan(reader, study_id)))


def _plan(reader: Reader, study_id: str) -> dict[str, Any]:
    study = reader.study(study_id)
    try:
        plan = reader.view(study.study_id, "plan")
    except NotFoundError:
        plan = View("plan", {}, 0, 0.0)
    is_made = plan.at > 0
    said = plan.payload
    return {
        "based_on_seq": plan.based_on_seq if is_made else None,
        "made_at": instant(plan.at) if is_made else None,
        "is_current": is_made and is_current(reader, study_id, plan.based_on_seq),
        "items": said.get("items", []),
        "measure": said.get("measure", []),
        "notes": said.get("notes", []),
        "exhausted": said.get("exhausted"),
        "waiting": said.get("waiting"),
        "pending": reader.tallies(study_id).runs.get("planned", 0),
        "n_ready": reader.n_plan_items(study_id),
    }
