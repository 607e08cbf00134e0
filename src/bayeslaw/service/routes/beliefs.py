"""Posteriors, and what to know before one believes them."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.errors import NotFoundError
from bayeslaw.service.answering import json_response
from bayeslaw.service.freshness import is_current
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.beliefs import Diagnostics, LawName, Posterior
from bayeslaw.service.schemas.names import StudyPath, instant
from bayeslaw.service.schemas.problem import problems
from bayeslaw.store import Reader

router = lean_router("beliefs")

NETCDF = "application/x-netcdf"


@router.get(
    "/v1/studies/{study_id}/posterior",
    response_model=Posterior,
    summary="Say what is believed of the laws",
    responses={
        200: {
            "description": "A summary; with `Accept: application/x-netcdf` the draws of one law.",
            "content": {NETCDF: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
)
async def get_posterior(
    request: Request, parts: Here, caller: MayRead, study_id: StudyPath, law: LawName = ""
) -> Response:
    """Return a summary of the laws' posteriors, or the file of one; 404 before the first fit."""
    if NETCDF in request.headers.get("accept", ""):
        content = await parts.reads.ask(lambda reader: _file(reader, study_id, law))
        return Response(content, media_type=NETCDF)
    return json_response(await parts.reads.ask(lambda reader: _summary(reader, study_id, law)))


@router.get(
    "/v1/studies/{study_id}/diagnostics",
    response_model=Diagnostics,
    summary="Say how far to believe the rest",
    responses=problems(404),
)
async def get_diagnostics(parts: Here, caller: MayRead, study_id: StudyPath) -> Response:
    """Return notes on data and fits, and how the planner is."""

    def ask(reader: Reader) -> dict[str, Any]:
        reader.study(study_id)
        try:
            said = _view(reader, study_id, "diagnostics")
        except NotFoundError:
            said = {}
        # The planner's own words of itself are as old as the view.
        planner = {**said.get("planner", {}), **parts.planner_state()}
        return {"notes": [], **said, "planner": planner}

    return json_response(await parts.reads.ask(ask))


def _summary(reader: Reader, study_id: str, law: str) -> dict[str, Any]:
    said = _view(reader, study_id, "posterior")
    if law:
        laws = [entry for entry in said.get("laws", []) if entry.get("law") == law]
        if not laws:
            raise NotFoundError(f"study {study_id!r} has no posterior of the law {law!r}")
        said["laws"] = laws
    return said


def _file(reader: Reader, study_id: str, law: str) -> bytes:
    if not law:
        laws = reader.view(study_id, "posterior").payload.get("laws", [])
        if not laws:
            raise NotFoundError(f"study {study_id!r} has no posterior yet")
        law = laws[0]["law"]
    said = reader.view(study_id, f"posterior-netcdf/{law}").payload
    if "base64" not in said:
        raise ProblemError(404, "not-found", f"the law {law!r} has no file of draws")
    return base64.b64decode(said["base64"])


def _view(reader: Reader, study_id: str, name: str) -> dict[str, Any]:
    view = reader.view(study_id, name)
    return {
        **view.payload,
        "based_on_seq": view.based_on_seq,
        "made_at": instant(view.at),
        "is_current": is_current(reader, study_id, view.based_on_seq),
    }
