"""uvicorn's HTTP protocol, with deadlines for those who send slowly and a bound on how many may."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bayeslaw.service.problems import ProblemError, problem_response

_TOO_MANY = ProblemError(
    503,
    "overloaded",
    "too many connections are open",
    "try again in a moment, and keep connections to use them again",
    {"Retry-After": "1"},
)
_TOO_SLOW = ProblemError(
    408, "headers-too-slow", "the headers did not arrive in time", "send them at once"
)
_TOO_LARGE = ProblemError(
    431, "headers-too-large", "the headers are too large", "send fewer and shorter ones"
)
_MALFORMED = ProblemError(
    400,
    "malformed-request",
    "this is not HTTP/1.1",
    "use an HTTP client, and TLS only to the proxy",
)


class Waiting:
    """Hold the connections of one server that wait for their other end to ask for something.

    Args:
        max_connections: Of the server, whatever they do [count].
        header_timeout_s: From connecting, or a request's first byte, to the end of its head [s].
        body_timeout_s: From the end of the head to the end of the body [s].
        max_header_bytes: Of a request's line and headers together.
        max_discarded_bytes: That are read of a body after it was answered; the connection ends then.
    """

    def __init__(
        self,
        *,
        max_connections: int,
        header_timeout_s: float,
        body_timeout_s: float,
        max_header_bytes: int,
        max_discarded_bytes: int,
    ) -> None:
        self.max_connections = max_connections
        self.header_timeout_s = header_timeout_s
        self.body_timeout_s = body_timeout_s
        self.max_header_bytes = max_header_bytes
        self.max_discarded_bytes = max_discarded_bytes
        self.n_evicted = 0
        # Those that have asked for nothing yet, or not to the end, and those between requests.
        self._new: OrderedDict[BoundedProtocol, None] = OrderedDict()
        self._idle: OrderedDict[BoundedProtocol, None] = OrderedDict()

    def add_new(self, connection: BoundedProtocol) -> None:
        """Note that a connection is to send the head of a request."""
        self._idle.pop(connection, None)
        self._new[connection] = None

    def add_idle(self, connection: BoundedProtocol) -> None:
        """Note that a connection has been answered."""
        self._idle[connection] = None

    def remove(self, connection: BoundedProtocol) -> None:
        """Note that a connection has sent a head, or is gone."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)

    def evict(self) -> bool:
        """Drop the connection that has waited longest, to make room for another."""
        waiting = self._new or self._idle
        if not waiting:
            return False
        connection, _ = waiting.popitem(last=False)
        connection.transport.abort()
        self.n_evicted += 1
        return True


class BoundedProtocol(HttpToolsProtocol):
    """Speak HTTP with anybody, and be held up by nobody.

    uvicorn waits for ever for the head and for the body of a request, and keeps a head of any length.
    Here each has a deadline, which a trickle of bytes does not move (slow loris). When there are too
    many connections, the one that has asked for nothing for longest makes room, so those who dawdle
    cannot keep out those who do not. An answer that is not read is given up by the kernel.
    """

    waiting: ClassVar[Waiting]
    """Set on the subclass that a server is made with: see `bounded`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._n_head_bytes = 0
        self._n_tail_bytes = 0  # after the head, however they are framed
        self._n_body_bytes = 0
        self._n_discarded_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, in somebody else's place if need be."""
        super().connection_made(transport)
        if len(self.connections) > self.waiting.max_connections and not self.waiting.evict():
            self._refuse(_TOO_MANY)
            return
        self.waiting.add_new(self)
        self._set_deadline(self.waiting.header_timeout_s)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            patience_ms = int(1000 * self.waiting.body_timeout_s)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_deadline()
        self.waiting.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrives, and count it."""
        if self.parser is None or self.transport.is_closing():
            return
        if self._is_in_head:
            self._n_head_bytes += len(data)
        else:
            self._n_tail_bytes += len(data)
        self._unset_keepalive_if_required()
        # As uvicorn does, without a line in the log: anybody could fill it.
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it is served as if it had not asked for an upgrade
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
            return
        # What came with the end of a head is its body's or the next request's, hence after parsing.
        if self._is_in_head:
            if self._n_head_bytes > self.waiting.max_header_bytes:
                self._refuse(_TOO_LARGE)
        elif self._deadline is not None:
            # Frames of chunks take six bytes a chunk; more is trailers or extensions without end.
            most = self.waiting.max_header_bytes + 7 * self._n_body_bytes
            if self._n_tail_bytes - self._n_body_bytes > most:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin with a head."""
        super().on_message_begin()
        self._is_in_head = True
        self.waiting.add_new(self)
        self._set_deadline(self.waiting.header_timeout_s)

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._is_in_head = False
        self._n_head_bytes = 0
        self._n_tail_bytes = self._n_body_bytes = self._n_discarded_bytes = 0
        self.waiting.remove(self)
        self._set_deadline(self.waiting.body_timeout_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, or throw it away when nobody wants it any more."""
        self._n_body_bytes += len(body)
        if self.cycle.response_complete:
            self._n_discarded_bytes += len(body)
            if self._n_discarded_bytes > self.waiting.max_discarded_bytes:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no more: what is left is for the application to do."""
        self._end_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there already."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:
            self.waiting.add_idle(self)

    def _set_deadline(self, wait_s: float) -> None:
        self._end_deadline()
        self._deadline = self.loop.call_later(wait_s, self._on_deadline)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self._is_in_head and (self.cycle is None or self.cycle.response_complete):
            self._refuse(_TOO_SLOW)
        else:
            self.transport.abort()

    def _refuse(self, problem: ProblemError) -> None:
        self._end_deadline()
        self.waiting.remove(self)
        response = problem_response(problem, "")
        headers = [*response.raw_headers, (b"connection", b"close")]
        phrase = HTTPStatus(problem.status_code).phrase
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n" % (problem.status_code, phrase.encode())
            + b"".join(b"%s: %s\r\n" % header for header in headers)
            + b"\r\n"
            + bytes(response.body)
        )
        self.transport.close()


def bounded(waiting: Waiting) -> type[BoundedProtocol]:
    """Return the protocol class of one server, with its own bounds."""
    return type("BoundedProtocol", (BoundedProtocol,), {"waiting": waiting})
