"""Tokens in requests and answers; a secret is in one answer only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field

from bayeslaw.service.schemas.names import (
    KNOWN_NAME,
    Body,
    Document,
    Instant,
    NextPageToken,
    instant,
    instant_or_none,
)
from bayeslaw.service.tokens import GRACE_S, Scope
from bayeslaw.store import Token

TokenPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=KNOWN_NAME, description="The token's id.")
]


class TokenAsked(Body):
    """A token to make."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"\S",
            description="Whose it is; shown in lists and messages.",
            examples=["scheduler"],
        ),
    ]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4, examples=[["plan", "report"]])]
    expires_in_s: (
        Annotated[
            float,
            Field(gt=0, le=3.2e9, description="How long it works [s]; for ever when left out."),
        ]
        | None
    ) = None


class RotationAsked(Body):
    """A new secret for a token."""

    grace_s: Annotated[
        float, Field(ge=0, le=604_800, description="How long the old secret works too [s].")
    ] = GRACE_S


class TokenDocument(Document):
    """A token, without its secret."""

    token_id: str
    name: str
    scopes: list[Scope]
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    previous_until: Annotated[
        str | None, Field(description="Until when the secret before the last rotation works too.")
    ]


class TokenMade(TokenDocument):
    """A token with its new secret, which is never told again."""

    secret: Annotated[
        str | None,
        Field(description="Null when this answer is repeated by its Idempotency-Key."),
    ]


class TokenPage(Document):
    """Some tokens, oldest first."""

    tokens: list[TokenDocument]
    next_page_token: NextPageToken


def token_answer(token: Token) -> dict[str, Any]:
    """Return a token as JSON."""
    return {
        "token_id": token.token_id,
        "name": token.name,
        "scopes": list(token.scopes),
        "created_at": instant(token.created_at),
        "expires_at": instant_or_none(token.expires_at),
        "revoked_at": instant_or_none(token.revoked_at),
        "previous_until": instant_or_none(token.previous_until),
    }
