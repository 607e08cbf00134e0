"""Errors as a caller sees them: RFC 9457 problem details, with a code and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.errors import (
    BayeslawError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
    StateError,
    UnavailableError,
    UndecidedError,
)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER = {"Retry-After": "1"}

# By class, most special first: status, code, what to do.
_MEANINGS: tuple[tuple[type[BayeslawError], int, str, str], ...] = (
    (NotFoundError, 404, "not-found", "check the names in the path"),
    (LeaseLostError, 409, "lease-lost", "stop working on the run; a result is still taken"),
    (StateError, 409, "state", "read the resource again and decide anew"),
    (UndecidedError, 422, "undecided", "ask for less, or loosen what is asked"),
    (InvalidInputError, 422, "invalid-input", "correct what the detail names; nothing was done"),
    (
        UnavailableError,
        503,
        "store-unavailable",
        "send the same request again with the same Idempotency-Key; nothing was acknowledged",
    ),
)


class ProblemError(HTTPException):
    """End a request with a problem document.

    Attributes:
        status_code: Of HTTP.
        code: What happened, for programs.
        detail: What happened, for people.
        todo: What the caller can do about it.
        headers: Sent beside it, such as ``Retry-After``.
        errors: Each ``{"pointer", "detail"}``: what is wrong where.

    >>> ProblemError(409, "lease-lost", "the run is another worker's").code
    'lease-lost'
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        todo: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.todo = todo
        self.errors = list(errors)


def problem_response(error: ProblemError, instance: str) -> Response:
    """Return the document of a problem; ``instance`` is the path that was asked for."""
    return Response(
        json.dumps(problem_document(error, instance)).encode(),
        status_code=error.status_code,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


def problem_document(error: ProblemError, instance: str) -> dict[str, Any]:
    """Return what a problem says, JSON-ready."""
    document: dict[str, Any] = {
        "type": f"urn:bayeslaw:problem:{error.code}",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": error.detail,
        "code": error.code,
        "todo": error.todo,
        "instance": instance,
    }
    if error.errors:
        document["errors"] = error.errors
    return document


def as_problem(error: BayeslawError) -> ProblemError:
    """Return the problem that one of our errors is to a caller.

    >>> from bayeslaw.errors import NotEnoughRunsError
    >>> as_problem(NotEnoughRunsError("8 runs are needed, got 2")).code
    'not-enough-runs'
    """
    for kind, status, code, todo in _MEANINGS:
        if isinstance(error, kind):
            # A special kind of wrong input has a code of its own: NotEnoughRunsError.
            if kind is InvalidInputError and type(error) is not kind:
                code = _code_of(type(error))
            headers = _RETRY_AFTER if status == 503 else None
            return ProblemError(status, code, str(error), todo, headers)
    return internal_error()


def internal_error() -> ProblemError:
    """Return what a caller is told of our own mistakes: nothing that could be a secret."""
    return ProblemError(
        500,
        "internal-error",
        "the service made a mistake; its log says which",
        "report it with the time of this request",
    )


async def handle_problem(request: Request, error: Exception) -> Response:
    """Answer with a problem document, whatever a route or the router raised."""
    return problem_response(to_problem(error, request), request.url.path)


def to_problem(error: Exception, request: Request) -> ProblemError:
    """Return any error as a problem; what the router raises is known by its status."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, BayeslawError):
        return as_problem(error)
    if isinstance(error, HTTPException):
        code, detail = {
            404: ("not-found", f"there is nothing at {request.url.path}"),
            405: ("method-not-allowed", f"{request.method} is not for {request.url.path}"),
        }.get(error.status_code, ("invalid-input", str(error.detail)))
        todo = "see /openapi.json for what there is"
        return ProblemError(error.status_code, code, detail, todo, error.headers)
    return internal_error()


def _code_of(kind: type[BayeslawError]) -> str:
    """Return a class's name as a code.

    >>> _code_of(InvalidInputError)
    'invalid-input'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__.removesuffix("Error")).lower()
