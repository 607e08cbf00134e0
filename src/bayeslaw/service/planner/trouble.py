"""What went wrong, as a program and a person can read it."""

from __future__ import annotations

from bayeslaw.errors import (
    BayeslawError,
    EmptySpaceError,
    ExpressionError,
    InvalidInputError,
    NotEnoughRunsError,
    NotFoundError,
    RunTableError,
    StateError,
    UnavailableError,
    UndecidedError,
)

Problem = dict[str, str | int]
"""``status``, ``code``, ``detail`` and ``todo``, as the service answers a failed operation."""

# The first that fits; a subclass stands before its base.
_CODES: tuple[tuple[type[BayeslawError], int, str, str], ...] = (
    (NotEnoughRunsError, 422, "not-enough-runs", "wait for more runs to be done, or import some"),
    (EmptySpaceError, 422, "empty-space", "loosen one of the constraints that are named"),
    (ExpressionError, 422, "invalid-input", "mend the objective or limit"),
    (RunTableError, 422, "runs-do-not-fit", "supersede the run that is named"),
    (UndecidedError, 422, "undecided", "loosen a constraint, or add the runs that are named"),
    (InvalidInputError, 422, "invalid-input", "do what the message says"),
    (NotFoundError, 404, "not-found", "check the name"),
    (StateError, 409, "state", "look at the study's state"),
    (UnavailableError, 503, "store-unavailable", "nothing; it is tried again"),
)


def problem(status: int, code: str, detail: str, todo: str = "") -> Problem:
    """Return a problem of our own."""
    return {"status": status, "code": code, "detail": detail, "todo": todo}


def problem_of(error: BaseException) -> Problem:
    """Return an error as a problem: of the caller's making where it is one of ours, else a fault.

    >>> problem_of(NotEnoughRunsError("3 needed"))["code"], problem_of(ZeroDivisionError())["code"]
    ('not-enough-runs', 'planner-fault')
    """
    for kind, status, code, todo in _CODES:
        if isinstance(error, kind):
            return problem(status, code, str(error), todo)
    what = f"{type(error).__name__}: {error}"
    return problem(503, "planner-fault", what, "report it, with the planner's log")
