"""Tokens over HTTP, for admins."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service import paging
from bayeslaw.service.answering import Reply, Writing, json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.parts import Here
from bayeslaw.service.schemas.names import IdempotencyKey, PageSize, PageToken
from bayeslaw.service.schemas.problem import problems
from bayeslaw.service.schemas.token import (
    RotationAsked,
    TokenAsked,
    TokenDocument,
    TokenMade,
    TokenPage,
    TokenPath,
    token_answer,
)
from bayeslaw.service.security import authorise
from bayeslaw.service.tokens import create_token, revoke_token, rotate_token
from bayeslaw.store import Token, Transaction

router = lean_router("tokens")
Admin = Annotated[Token, Depends(authorise("admin"))]


async def _administering(
    request: Request, parts: Here, caller: Admin, idempotency_key: IdempotencyKey = None
) -> Writing:
    return Writing(parts, request, caller, idempotency_key)


Administering = Annotated[Writing, Depends(_administering)]


@router.get("/v1/tokens", response_model=TokenPage, summary="List tokens", responses=problems())
async def list_tokens(
    parts: Here, caller: Admin, page_size: PageSize = 100, page_token: PageToken = ""
) -> Response:
    """Return tokens, oldest first; secrets are not kept."""
    first = paging.position_of(page_token)
    tokens = await parts.reads.ask(lambda reader: reader.tokens())
    end = first + page_size
    return json_response(
        {
            "tokens": [token_answer(token) for token in tokens[first:end]],
            "next_page_token": paging.page_token(end) if end < len(tokens) else "",
        }
    )


@router.post(
    "/v1/tokens",
    status_code=201,
    response_model=TokenMade,
    summary="Make a token",
    responses=problems(with_body=True),
)
async def make_token(writing: Administering, body: TokenAsked) -> Response:
    """Make a token and tell its secret, once."""
    parts = writing.parts
    secret = ""

    def decide(_: Transaction) -> Reply:
        nonlocal secret
        now = parts.clock()
        token, secret = create_token(
            parts.store,
            body.name,
            body.scopes,
            at=now,
            expires_at=None if body.expires_in_s is None else now + body.expires_in_s,
        )
        location = {"Location": f"/v1/tokens/{token.token_id}"}
        return Reply({**token_answer(token), "secret": None}, 201, location)

    return _with_secret(await writing.answer(decide), secret)


@router.post(
    "/v1/tokens/{token_id}:rotate",
    response_model=TokenMade,
    summary="Give a token a new secret",
    responses=problems(404, 409, with_body=True),
)
async def rotate(writing: Administering, token_id: TokenPath, body: RotationAsked) -> Response:
    """Make a new secret and tell it, once; the old one works for a while too."""
    parts = writing.parts
    secret = ""

    def decide(_: Transaction) -> Reply:
        nonlocal secret
        token, secret = rotate_token(parts.store, token_id, at=parts.clock(), grace_s=body.grace_s)
        return Reply({**token_answer(token), "secret": None})

    answer = await writing.answer(decide)
    writing.request.scope["app"].state.authenticator.forget()
    return _with_secret(answer, secret)


@router.delete(
    "/v1/tokens/{token_id}",
    response_model=TokenDocument,
    summary="Revoke a token",
    responses=problems(404),
)
async def revoke(writing: Administering, token_id: TokenPath) -> Response:
    """End a token and all its secrets now."""
    parts = writing.parts
    answer = await writing.answer(
        lambda _: Reply(token_answer(revoke_token(parts.store, token_id, at=parts.clock())))
    )
    writing.request.scope["app"].state.authenticator.forget()
    return answer


def _with_secret(answer: Response, secret: str) -> Response:
    """Put the secret into the answer, after what is remembered of it went to disk without it."""
    if "Idempotent-Replayed" in answer.headers:
        return answer
    content = {**json.loads(bytes(answer.body)), "secret": secret}
    kept = {"Location": answer.headers["Location"]} if "Location" in answer.headers else None
    return json_response(content, answer.status_code, kept)
