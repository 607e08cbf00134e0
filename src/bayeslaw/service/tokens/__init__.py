from bayeslaw.service.tokens.making import (
    FIRST_TOKEN_ID,
    GRACE_S,
    create_token,
    revoke_token,
    rotate_token,
)
from bayeslaw.service.tokens.scopes import SCOPES, Scope, checked_scopes, is_allowed
from bayeslaw.service.tokens.secret import hash_of, is_secret, new_secret, redacted

__all__ = [
    "FIRST_TOKEN_ID",
    "GRACE_S",
    "SCOPES",
    "Scope",
    "checked_scopes",
    "create_token",
    "hash_of",
    "is_allowed",
    "is_secret",
    "new_secret",
    "redacted",
    "revoke_token",
    "rotate_token",
]
