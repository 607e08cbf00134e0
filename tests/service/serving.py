"""A real server in a thread, on a port of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from bayeslaw.service.limits import Waiting, bounded

SHORT = {
    "max_connections": 1000,
    "header_timeout_s": 0.25,
    "body_timeout_s": 0.4,
    "max_header_bytes": 16 * 1024,
    "max_discarded_bytes": 2**20,
}


@contextlib.contextmanager
def served(app: Any, *, lifespan: Any = "off", **bounds: Any) -> Iterator[tuple[str, int]]:
    waiting = Waiting(**{**SHORT, **bounds})
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=bounded(waiting),
        ws="none",
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield listener.getsockname()
    finally:
        if lifespan == "on":
            app.state.watch.stop()
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def connected(address: tuple[str, int], data: bytes = b"") -> socket.socket:
    client = socket.create_connection(address, timeout=5)
    client.sendall(data)
    return client


def answer_of(client: socket.socket) -> bytes:
    """Return all that comes until the other end closes."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def told(client: socket.socket, ending: bytes) -> bool:
    """Read until what came ends so; False when the other end closes before."""
    got = b""
    while not got.endswith(ending):
        part = client.recv(65536)
        if not part:
            return False
        got += part
    return True
