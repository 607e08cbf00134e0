"""Turn what the service calls a problem (RFC 9457) into the exception bayeslaw would raise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from bayeslaw.errors import (
    AccessError,
    BayeslawError,
    EmptySpaceError,
    ExpressionError,
    InvalidInputError,
    LeaseLostError,
    NotEnoughRunsError,
    NotFoundError,
    RunTableError,
    StateError,
    UnavailableError,
    UndecidedError,
)

_BY_CODE: dict[str, type[BayeslawError]] = {
    "empty-space": EmptySpaceError,
    "expression": ExpressionError,
    "lease-lost": LeaseLostError,
    "not-enough-runs": NotEnoughRunsError,
    "run-table": RunTableError,
    "undecided": UndecidedError,
}
_BY_STATUS: dict[int, type[BayeslawError]] = {
    400: InvalidInputError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: StateError,
    412: StateError,
    413: InvalidInputError,
    415: InvalidInputError,
    422: InvalidInputError,
    429: UnavailableError,
    503: UnavailableError,
}


def error_of_response(response: httpx.Response) -> BayeslawError:
    """Return the exception for an answer that is no success."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "code" not in problem:
        # Not ours: a proxy's page, or another service at that address.
        start = " ".join(response.text.split())[:200]
        kind = _BY_STATUS.get(response.status_code, UnavailableError)
        return kind(
            f"{response.request.method} {response.request.url} was answered with status "
            f"{response.status_code} and no problem of bayeslaw's: {start!r}; is this the address "
            f"of `bayeslaw serve`?"
        )
    return error_of_problem(problem)


def error_of_problem(problem: Mapping[str, Any]) -> BayeslawError:
    """Return the exception for a problem document, with its code and what to do in the message.

    >>> error_of_problem({"status": 409, "code": "lease-lost", "detail": "run 'r1' is w2's",
    ...                   "todo": "stop working on it"})
    LeaseLostError("run 'r1' is w2's (lease-lost): stop working on it")
    """
    code = str(problem.get("code", ""))
    status = int(problem.get("status", 0))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, UnavailableError)
    todo = problem.get("todo") or ""
    if issues := problem.get("errors"):
        lines = [f"  {issue['pointer'] or '/'}: {issue['detail']}" for issue in issues]
        return kind("\n".join([f"the request is wrong ({code}):", *lines, todo]).rstrip())
    detail = problem.get("detail") or problem.get("title") or "the service gives no reason"
    return kind(f"{detail} ({code})" + (f": {todo}" if todo else ""))
