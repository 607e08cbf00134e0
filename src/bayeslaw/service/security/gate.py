"""The gate that every request passes before anything of it is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from bayeslaw.errors import UnavailableError
from bayeslaw.service.problems import ProblemError, as_problem, problem_response
from bayeslaw.service.security.authenticator import Authenticator, token_missing

TOKEN_KEY = "bayeslaw.token"
"""Where the gate leaves the caller's `Token` in the ASGI scope."""

SECRET_KEY = "bayeslaw.secret"
"""Where it leaves the token's secret, for as long as the request lasts; see `recheck`."""

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What answers without a token."""


class Gate:
    """Let through whoever shows a token, and health checks; answer all others itself.

    Routes cannot be left open by mistake: a path is shut unless it is in `OPEN_PATHS`, also one that
    does not exist, and a body is not read before its sender is known. What a caller may do is for
    `authorise` to say.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on with its token."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                client = scope.get("client")
                secret = _secret_in(scope["headers"])
                scope[TOKEN_KEY] = await self._authenticator.token(
                    secret, client[0] if client else ""
                )
                scope[SECRET_KEY] = secret
            except ProblemError as problem:
                await problem_response(problem, scope["path"])(scope, receive, send)
                return
            except UnavailableError as error:
                await problem_response(as_problem(error), scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _secret_in(headers: list[tuple[bytes, bytes]]) -> str:
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        raise token_missing()
    scheme, _, secret = found[0].decode("latin-1").partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not secret.strip():
        raise ProblemError(
            401,
            "token-missing",
            "the Authorization header is not one bearer token",
            todo="send one header 'Authorization: Bearer blaw_...'",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return secret.strip()
