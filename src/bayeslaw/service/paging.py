"""Lists in pages: a token says where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from bayeslaw.errors import InvalidInputError


class _Placed(Protocol):
    @property
    def position(self) -> int: ...


Entry = TypeVar("Entry", bound=_Placed)


def page_token(position: int) -> str:
    """Return the token of the page that begins after a position.

    >>> page_token(12)
    'YWZ0ZXItMTI'
    """
    return base64.urlsafe_b64encode(b"after-%d" % position).decode().rstrip("=")


def position_of(token: str) -> int:
    """Return the position after which a page begins; 0 for the first.

    Raises:
        InvalidInputError: No page has that token.

    >>> position_of(page_token(12)), position_of("")
    (12, 0)
    """
    if not token:
        return 0
    try:
        said = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        said = ""
    word, _, digits = said.partition("-")
    if word != "after" or not digits.isdigit() or len(digits) > 18:
        raise InvalidInputError(
            f"page_token {token[:50]!r} is none of ours; take next_page_token as it came, or none"
        )
    return int(digits)


def page(
    name: str, entries: Sequence[Entry], size: int, answer: Callable[[Entry], dict[str, Any]]
) -> dict[str, Any]:
    """Return a page as JSON, from one entry more than it holds, where there is one.

    Args:
        name: Of the list in the answer.
        entries: In order; up to ``size + 1``.
        size: Entries of a page at most [count].
        answer: Returns an entry as JSON.
    """
    shown = entries[:size]
    is_more = len(entries) > size
    token = page_token(shown[-1].position) if is_more else ""
    return {name: [answer(entry) for entry in shown], "next_page_token": token}
