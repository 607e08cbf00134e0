"""HTTP/1.1 over one kept connection, as light as it gets: the load generator must not be the load."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httptools


@dataclass(slots=True)
class Reply:
    """Hold an answer.

    Attributes:
        status: Of HTTP.
        headers: By name in lower case.
        body: As it came.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; empty where there is none."""
        if self.status < 400:
            return ""
        try:
            return str(json.loads(self.body).get("code", ""))
        except (ValueError, AttributeError):
            return "no-json"


class Wire(asyncio.Protocol):
    """Ask one thing after the other over one connection; `open_wire` makes one.

    Attributes:
        is_open: Whether another request may be sent.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply] | None = None
        self._reply = Reply(0)
        self._parts: list[bytes] = []

    async def ask(self, request: bytes) -> Reply:
        """Send a request, made by `request_bytes`, and return the answer.

        Raises:
            ConnectionError: The connection ended before the whole answer came.
        """
        if not self.is_open or self._transport is None:
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()
        self.is_open = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"not HTTP: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.is_open = False
        self._fail(ConnectionError(str(exc or "the server closed the connection")))

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Begin an answer."""
        self._reply = Reply(0)
        self._parts = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._reply.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over."""
        self._reply.status = self._parser.get_status_code()
        self._reply.body = b"".join(self._parts)
        if not self._parser.should_keep_alive():
            self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._reply)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


async def open_wire(host: str, port: int) -> Wire:
    """Connect.

    Raises:
        OSError: Nobody listens there.
    """
    _, wire = await asyncio.get_running_loop().create_connection(Wire, host, port)
    return wire


def request_bytes(
    method: str,
    path: str,
    *,
    token: str = "",
    body: Any = None,
    key: str = "",
    headers: dict[str, str] | None = None,
) -> bytes:
    r"""Return a whole request.

    Args:
        method: Of HTTP.
        path: With its query.
        token: Bearer's; none is sent when empty.
        body: JSON-ready, or bytes as they are; none when None.
        key: Idempotency-Key; none when empty.
        headers: Further ones.

    >>> request_bytes("GET", "/healthz")
    b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'
    """
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    content = b""
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if key:
        lines.append(f"Idempotency-Key: {key}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
