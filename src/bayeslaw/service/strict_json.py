"""JSON as other people send it, read so that nothing in it is guessed."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from bayeslaw.service.problems import ProblemError

MAX_DEPTH = 32
"""Objects and lists inside each other [count]."""

MAX_INTEGER = 2**63 - 1
"""What a database keeps in a column of whole numbers."""


def read_json(body: bytes) -> Any:
    """Return what a body says, or say why it is not taken.

    Refused, because two programs would read it differently or a database would not keep it: names
    that appear twice in an object, ``NaN`` and infinities, numbers beyond 64 bits, NUL characters,
    halves of surrogate pairs, and nesting deeper than `MAX_DEPTH`.

    Raises:
        ProblemError: 400 ``malformed-json``.

    >>> read_json(b'{"loss_nats": 2.5}')
    {'loss_nats': 2.5}
    >>> read_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    bayeslaw.service.problems.ProblemError: 400: the name 'a' appears twice in one object
    """
    try:
        text = body.decode()
        content = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8: {error}") from None
    except RecursionError:
        raise _malformed(f"the body nests deeper than {MAX_DEPTH}") from None
    except ValueError as error:
        raise _malformed(f"the body is not JSON: {error}") from None
    # Only a body with this many brackets can nest that deep, and only an escape can hide these
    # characters, so most bodies are read once.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(content) > MAX_DEPTH:
        raise _malformed(f"the body nests deeper than {MAX_DEPTH}")
    if b"\\u" in body:
        _check_text(content)
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _malformed(f"the name {twice[:100]!a} appears twice in one object")
    return content


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -MAX_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        raise _malformed(f"the number {digits[:30]} is beyond 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise _malformed(f"the number {digits[:30]} is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not JSON; leave out what is not known")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _depth(content: Any) -> int:
    depth, level = 0, [content]
    while level and depth <= MAX_DEPTH:
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        depth += any(isinstance(value, dict | list) for value in level)
        level = inner
    return depth


def _check_text(content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _malformed("the body has half of a surrogate pair") from None
    if "\\u0000" in text and _has_nul(content):
        raise _malformed("the body has a NUL character, which a database does not keep")


def _has_nul(content: Any) -> bool:
    if isinstance(content, str):
        return "\0" in content
    if isinstance(content, dict):
        return any("\0" in name or _has_nul(value) for name, value in content.items())
    return isinstance(content, list) and any(map(_has_nul, content))


def _malformed(detail: str) -> ProblemError:
    return ProblemError(400, "malformed-json", detail, "send one JSON document, UTF-8, RFC 8259")
