"""What happened to a study, to be read on from where one was."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service.answering import json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.routes.event_stream import stream_events
from bayeslaw.service.schemas.event import (
    EventLimit,
    EventPage,
    Kinds,
    LastEventId,
    OfRun,
    Since,
    event_answer,
)
from bayeslaw.service.schemas.names import StudyPath
from bayeslaw.service.schemas.problem import problems
from bayeslaw.store import Reader

router = lean_router("events")

_STREAM = "text/event-stream"


@router.get(
    "/v1/studies/{study_id}/events",
    response_model=EventPage,
    summary="Read what happened, or listen",
    responses={
        200: {
            "description": "Events; with `Accept: text/event-stream` those to come, too.",
            "content": {_STREAM: {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
async def get_events(
    request: Request,
    parts: Here,
    caller: MayRead,
    study_id: StudyPath,
    since: Since = 0,
    limit: EventLimit = 100,
    run_id: OfRun = None,
    kind: Kinds = [],  # noqa: B006
    last_event_id: LastEventId = None,
) -> Response:
    """Return events after a number, oldest first; whoever reads on from `next_since` misses none.

    As a stream, every event is sent when it happens, with its number as id.
    """
    if _STREAM in request.headers.get("accept", ""):
        start = since if last_event_id is None else int(last_event_id)
        return await stream_events(request, study_id, since=start, kinds=kind, run_id=run_id)

    def ask(reader: Reader) -> dict[str, Any]:
        found = reader.events(study_id, since=since, kinds=kind or None, run_id=run_id, limit=limit)
        return {
            "events": [event_answer(event) for event in found],
            "next_since": found[-1].seq if found else since,
        }

    return json_response(await parts.reads.ask(ask))
