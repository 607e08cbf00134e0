"""What a token may do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from bayeslaw.errors import InvalidInputError

Scope = Literal["read", "plan", "report", "admin"]
"""read: every GET. report: heartbeats, results, measurements. plan: other writes. admin: all."""

SCOPES: tuple[str, ...] = get_args(Scope)


def is_allowed(scopes: Iterable[str], needed: Scope) -> bool:
    """Say whether these scopes allow what one scope allows; ``admin`` allows everything.

    >>> is_allowed(("read", "plan"), "report"), is_allowed(("admin",), "report")
    (False, True)
    """
    held = tuple(scopes)
    return needed in held or "admin" in held


def checked_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes each once, in their usual order.

    Raises:
        InvalidInputError: There is none, or one is not known.

    >>> checked_scopes(["report", "plan", "report"])
    ('plan', 'report')
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InvalidInputError(
            f"scopes must be one or more of {', '.join(SCOPES)}, got "
            f"{', '.join(map(repr, unknown)) or 'none'}"
        )
    return tuple(scope for scope in SCOPES if scope in scopes)
