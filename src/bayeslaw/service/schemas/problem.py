"""Problem documents, and which of them a route may answer with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from bayeslaw.service.problems import MEDIA_TYPE


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    pointer: Annotated[
        str, Field(description="A JSON pointer into the body, or `query:`, `path:`, `header:`.")
    ]
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:bayeslaw:problem:lease-lost",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "run 'r000012' is leased and held by 'node4', not by 'node3'",
                    "code": "lease-lost",
                    "todo": "stop working on the run",
                    "instance": "/v1/studies/tiny/runs/r000012:heartbeat",
                }
            ]
        }
    )

    type: Annotated[str, Field(description="A name for the code.")]
    title: Annotated[str, Field(description="Of the status.")]
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="What happened, for people.")]
    code: Annotated[str, Field(description="What happened, for programs.")]
    todo: Annotated[str, Field(description="What the caller can do about it.")]
    instance: Annotated[str, Field(description="The path that was asked for.")]
    errors: list[Fault] = []


_MEANINGS = {
    400: "The request or its body cannot be read (`malformed-json`, `malformed-request`).",
    401: "No token, or none that is known (`token-missing`, `token-unknown`, `token-expired`).",
    403: "The token lacks the scope (`scope-missing`).",
    404: "There is no such thing (`not-found`).",
    405: "The path does not take this method (`method-not-allowed`).",
    408: "The request took too long to arrive (`request-timeout`).",
    409: "Not in the present state (`state`, `lease-lost`, `study-differs`).",
    412: "It changed since the `ETag` that was given (`changed-meanwhile`).",
    413: "The body is too large (`body-too-large`).",
    415: "The body is not JSON (`unsupported-media-type`).",
    421: "The host is not this service's (`wrong-host`).",
    422: "What was given makes no sense (`invalid-input` and others); nothing was done.",
    429: "Too many requests from this token (`rate-limited`); see `Retry-After`.",
    431: "The headers are too large (`headers-too-large`).",
    503: "Not now (`store-unavailable`, `planner-unavailable`, `overloaded`); see `Retry-After`.",
}
_ALWAYS = (400, 401, 403, 405, 408, 421, 422, 429, 431, 503)
_WITH_BODY = (413, 415)


def problems(*statuses: int, with_body: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return what a route documents besides its success: these, and what every route may answer.

    >>> sorted(problems(404))[-1], 404 in problems(404), 415 in problems(404)
    (503, True, False)
    """
    said = sorted({*_ALWAYS, *statuses, *(_WITH_BODY if with_body else ())})
    return {status: problem(status) for status in said}


def problem(status: int) -> dict[str, Any]:
    """Return how one status is documented."""
    answer: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {
                "description": "When to ask again [s].",
                "schema": {"type": "integer", "minimum": 0},
            }
        }
    return answer
