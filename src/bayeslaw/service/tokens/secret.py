"""The secret half of a token: how it is made, told apart and kept out of sight."""

from __future__ import annotations

import hashlib
import re
import secrets

_PREFIX = "blaw_"
_N_BYTES = 32  # 256 random bits: guessing is hopeless, so a plain SHA-256 is enough to store
_SECRET = re.compile(r"blaw_[A-Za-z0-9_-]{43}\Z")
# Looser: what stands in a log may be cut off or have something glued to it.
_IN_TEXT = re.compile(r"blaw_[A-Za-z0-9_%-]{8,}")


def new_secret() -> str:
    """Return a new secret: ``blaw_`` and 256 random bits.

    >>> len(new_secret()), is_secret(new_secret())
    (48, True)
    """
    return _PREFIX + secrets.token_urlsafe(_N_BYTES)


def is_secret(text: str) -> bool:
    """Say whether this has the form of a secret; another text needs no look into the store."""
    return _SECRET.match(text) is not None


def hash_of(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 as hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def redacted(text: str) -> str:
    """Return a text with every secret in it made unreadable.

    >>> redacted("GET /v1/studies?token=blaw_0123456789abcdef HTTP/1.1")
    'GET /v1/studies?token=blaw_*** HTTP/1.1'
    """
    return _IN_TEXT.sub("blaw_***", text) if _PREFIX in text else text
