"""How large a body may be, and how long it may take to arrive."""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bayeslaw.service.problems import ProblemError, problem_response

# Where whole histories are sent.
_BULK = re.compile(r"/v1/studies/[^/]+/(runs|measurements)\Z")


class _SenderGone(Exception):
    pass


class BodyLimits:
    """Read a body as it arrives, no more and no longer than allowed, and hand it on whole.

    A body that is too large is refused from its declared length, or as soon as more has come than
    allowed; what still comes is thrown away by the protocol (see `limits.protocol`).

    Args:
        app: What comes behind; it gets each body as one message.
        max_bytes: Of a body.
        max_bulk_bytes: Of a body that adds many runs or measurements.
        max_total_bytes: Of all bodies that are being read or answered at one time.
        timeout_s: How long a body may take from its first byte to its last [s].
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_bulk_bytes: int,
        max_total_bytes: int,
        timeout_s: float,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bulk_bytes = max_bulk_bytes
        self._max_total_bytes = max_total_bytes
        self._timeout_s = timeout_s
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on with its body."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        try:
            try:
                await self._read(scope, receive, body)
            except ProblemError as problem:
                await problem_response(problem, scope["path"])(scope, receive, send)
                return
            except _SenderGone:
                return
            await self._app(scope, _replay(bytes(body), receive), send)
        finally:
            self._held_bytes -= len(body)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        max_bytes = self._max_bytes
        if scope["method"] == "POST" and _BULK.match(scope["path"]):
            max_bytes = self._max_bulk_bytes
        if _declared_bytes(scope) > max_bytes:
            raise _too_large(max_bytes)
        try:
            async with asyncio.timeout(self._timeout_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _SenderGone
                    part = message.get("body", b"")
                    if len(body) + len(part) > max_bytes:
                        raise _too_large(max_bytes)
                    body += part
                    self._held_bytes += len(part)
                    if self._held_bytes > self._max_total_bytes:
                        raise ProblemError(
                            503,
                            "overloaded",
                            "too many large requests at one time",
                            todo="try again in a moment; nothing was done",
                            headers={"Retry-After": "1"},
                        )
                    more = message.get("more_body", False)
        except TimeoutError:
            raise ProblemError(
                408,
                "body-too-slow",
                f"the body did not arrive within {self._timeout_s:g} s",
                todo="send it again, faster or in smaller parts; nothing was done",
                headers={"Connection": "close"},
            ) from None


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            return True
    return False


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(
        413,
        "body-too-large",
        f"the body is larger than the {max_bytes:,} bytes allowed here",
        todo="send it in several requests",
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replayed() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()  # whether the sender is still there
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
