"""Making, rotating and revoking tokens; the store never sees a secret."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.service.tokens.scopes import checked_scopes
from bayeslaw.service.tokens.secret import hash_of, new_secret
from bayeslaw.store import SqlStore, Token

FIRST_TOKEN_ID = "first-start"
"""The token that `bayeslaw serve` makes by itself; it does not open a server to the network."""

GRACE_S = 3600.0
"""How long the old secret works after a rotation unless told otherwise [s]."""

_MAX_NAME = 100


def create_token(
    store: SqlStore,
    name: str,
    scopes: Sequence[str],
    *,
    at: float,
    expires_at: float | None = None,
    token_id: str = "",
) -> tuple[Token, str]:
    """Make a token and return it with its secret, which is nowhere else and never shown again.

    Args:
        store: Where its hash is kept.
        name: Whose it is; it shows in lists and messages, so no secret belongs in it.
        scopes: Among ``read``, ``plan``, ``report`` and ``admin``.
        at: The present time [s since 1970].
        expires_at: When it stops working [s since 1970]; None for never.
        token_id: Its public name; a random one unless given.

    Raises:
        InvalidInputError: The name, a scope or the end makes no sense.
    """
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidInputError(
            f"a token's name must be 1 to {_MAX_NAME} printable characters, got {len(name)}"
        )
    if expires_at is not None and expires_at <= at:
        raise InvalidInputError(
            f"a token must end after now, got an end {at - expires_at:.0f} s ago; give a later one"
        )
    secret = new_secret()
    token = Token(
        token_id=token_id or uuid.uuid4().hex,
        name=name,
        secret_hash=hash_of(secret),
        scopes=checked_scopes(scopes),
        created_at=at,
        expires_at=expires_at,
    )
    with store.transaction() as tx:
        tx.put_token(token)
    return token, secret


def rotate_token(
    store: SqlStore, token_id: str, *, at: float, grace_s: float = GRACE_S
) -> tuple[Token, str]:
    """Give a token a new secret and return both; for a while the old secret works too.

    Of three secrets the oldest ends at once, so rotating twice shuts out a secret that leaked.

    Args:
        store: Where the token is kept.
        token_id: Of the token.
        at: The present time [s since 1970].
        grace_s: How long the old secret works [s]; 0 ends it now.

    Raises:
        NotFoundError: No such token.
        StateError: It was revoked.
        InvalidInputError: The grace is negative or over a week.
    """
    if not 0 <= grace_s <= 7 * 86400:
        raise InvalidInputError(f"grace_s must be from 0 to 604800 (a week), got {grace_s}")
    secret = new_secret()
    with store.transaction() as tx:
        token = tx.token(token_id)
        if token.revoked_at is not None:
            raise StateError(f"the token {token.name!r} was revoked; create another one")
        rotated = replace(
            token,
            secret_hash=hash_of(secret),
            previous_hash=token.secret_hash if grace_s else "",
            previous_until=at + grace_s if grace_s else None,
        )
        tx.put_token(rotated)
    return rotated, secret


def revoke_token(store: SqlStore, token_id: str, *, at: float) -> Token:
    """End a token and both its secrets now; revoking it again changes nothing.

    Raises:
        NotFoundError: No such token.
    """
    with store.transaction() as tx:
        token = tx.token(token_id)
        if token.revoked_at is not None:
            return token
        revoked = replace(token, revoked_at=at, previous_hash="", previous_until=None)
        tx.put_token(revoked)
    return revoked
