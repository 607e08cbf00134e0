"""The dependency that routes name to say what a caller must be allowed to do."""

from __future__ import annotations

from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from bayeslaw.service.problems import ProblemError
from bayeslaw.service.security.authenticator import token_missing
from bayeslaw.service.security.gate import SECRET_KEY, TOKEN_KEY
from bayeslaw.service.tokens.scopes import Scope, is_allowed
from bayeslaw.store import Token


class _Authorise(SecurityBase):
    """Hand a route its caller; the gate has found who that is before the body was read."""

    def __init__(self, needed: tuple[Scope, ...]) -> None:
        self.needed = needed
        self.scheme_name = "bearer"
        self.model = HTTPBearer(description="A token made by `bayeslaw token create`.")

    async def __call__(self, request: Request) -> Token:
        token: Token | None = request.scope.get(TOKEN_KEY)
        if token is None:  # no gate in front, or a path it lets pass: nobody is anybody then
            raise token_missing()
        if not any(is_allowed(token.scopes, scope) for scope in self.needed):
            raise ProblemError(
                403,
                "scope-missing",
                f"this needs the scope {' or '.join(self.needed)}; the token {token.name!r} has "
                f"{', '.join(token.scopes)}",
                todo="use a token with that scope; an admin makes one with `bayeslaw token create`",
            )
        return token


def authorise(*needed: Scope) -> _Authorise:
    """Return a dependency that gives the caller's token, or refuses with 401 or 403.

    Args:
        needed: Scopes of which a caller must hold one; ``admin`` holds every one.

    Use it as ``caller: Annotated[Token, Depends(authorise("plan"))]``.
    """
    return _Authorise(needed)


async def recheck(request: Request) -> None:
    """Make sure after a wait that the caller may still be here.

    Raises:
        ProblemError: 401 when the token has ended or was revoked meanwhile.
        UnavailableError: The store cannot be asked.
    """
    await request.scope["app"].state.authenticator.recheck(request.scope[SECRET_KEY])
