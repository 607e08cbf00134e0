"""Where a service listens: sockets, names, and how many may connect."""

from __future__ import annotations

import errno
import ipaddress
import logging
import resource
import socket
from collections.abc import Sequence

from bayeslaw.errors import InvalidInputError, StateError

_LOG = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address.

    Raises:
        InvalidInputError: It is no address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise InvalidInputError(
            f"--host must be an IP address to listen on, such as 127.0.0.1, ::1 or 0.0.0.0, or "
            f"localhost; got {host!r}"
        ) from None


def listen(host: str, port: int) -> socket.socket:
    """Take a port; connections to it wait until the service is up.

    Raises:
        StateError: Another program has it.
        InvalidInputError: The port makes no sense, or the address is not this machine's.
    """
    if not 0 <= port <= 65535:
        raise InvalidInputError(f"--port must be from 0 to 65535, got {port}")
    host = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StateError(
                f"port {port} on {host} is taken by another program; stop it or name another --port"
            ) from None
        raise InvalidInputError(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from error


def address_of(host: str, listener: socket.socket) -> str:
    """Return the URL that a listening socket is reached by."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def names_answered(host: str, allowed: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names that a Host header may have, None for any.

    >>> names_answered("127.0.0.1", ["planner.example.com"])[0::4]
    ('localhost', 'planner.example.com')
    """
    if not is_loopback(host):
        return tuple(allowed) or None
    own = f"[{host}]" if ":" in host else host
    return ("localhost", "127.0.0.1", "[::1]", own, *allowed)


def room_for(max_connections: int) -> int:
    """Let this process open that many connections and some files; return what it got."""
    reserve = 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max_connections + reserve
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < wanted:
        _LOG.warning("only %d connections: the limit of open files is %d", soft - reserve, hard)
        return max(1, soft - reserve)
    return max_connections
