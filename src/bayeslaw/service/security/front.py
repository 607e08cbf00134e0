"""What holds for every request and every answer, whoever sends it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bayeslaw.service.problems import ProblemError, problem_response

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_NO_STORE = (b"cache-control", b"no-store")
_SECRET_NAMES = (b"token=", b"access_token=")


class Front:
    """Refuse secrets in addresses and foreign Host headers; add security headers to answers.

    A secret in an address ends up in logs of proxies and in browsers' histories, so such a request
    is refused even where the token would be good. A Host header that is not ours, on a server that
    only this machine reaches, is a web page that had its name point here (DNS rebinding).

    Args:
        app: What comes behind.
        hosts: Names that a Host header may have, without port, lower case; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                headers.extend(_HEADERS)
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send_with_headers)
        else:
            # The address is not repeated: it may hold the secret.
            await problem_response(problem, "")(scope, receive, send_with_headers)

    def _problem(self, scope: Scope) -> ProblemError | None:
        if _has_secret(scope):
            return ProblemError(
                400,
                "token-in-url",
                "a token must not stand in an address, where logs keep it",
                todo="send it as the header 'Authorization: Bearer ...', and rotate this one: it "
                "may be in a log by now",
            )
        if self._hosts is not None and _host(scope) not in self._hosts:
            return ProblemError(
                421,
                "wrong-host",
                "this server does not answer to the name in the Host header",
                todo="call it by 127.0.0.1 or localhost, or start it with --allowed-host NAME when a "
                "proxy passes that name on",
            )
        return None


def _has_secret(scope: Scope) -> bool:
    query: bytes = scope["query_string"]
    if query and (
        any(part.startswith(_SECRET_NAMES) for part in query.split(b"&"))
        or b"blaw_" in unquote_to_bytes(query)
    ):
        return True
    return "blaw_" in scope["path"]


def _host(scope: Scope) -> str:
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return ""
    host = found[0].decode("latin-1").strip().lower()
    # [::1]:8080, 127.0.0.1:8080 or localhost
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
