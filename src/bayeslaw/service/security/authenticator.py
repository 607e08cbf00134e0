"""Finding out whose token a request carries."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bayeslaw.errors import UnavailableError
from bayeslaw.service.limits.token_buckets import TokenBuckets
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.tokens.secret import hash_of, is_secret
from bayeslaw.store import SqlStore, Token

_MAX_KNOWN = 10_000
_ASK_S = 5.0


class Authenticator:
    """Turn a secret into its token, or say why not.

    The store is asked at most once in ``trust_s`` for a secret, however many requests carry it, so a
    token that another process revoked stops working within that time; `forget` makes it at once.
    Secrets that were never good are not remembered, and an address that keeps sending them is put
    off without a look into the store.

    Args:
        store: Where tokens are kept.
        clock: Returns the present time [s since 1970]; tokens end by it.
        trust_s: How long an answer of the store is believed [s]; 0 asks it every time.
        requests: Buckets a token, of all its requests.
        failures: Buckets an address, of requests whose token is not known.
    """

    def __init__(
        self,
        store: SqlStore,
        *,
        clock: Callable[[], float],
        trust_s: float,
        requests: TokenBuckets,
        failures: TokenBuckets,
    ) -> None:
        self._store = store
        self._clock = clock
        self._trust_s = trust_s
        self._requests = requests
        self._failures = failures
        # By hash: the token, and when the store said so. Least recently used first.
        self._known: OrderedDict[str, tuple[Token, float]] = OrderedDict()
        self._asked: dict[str, asyncio.Future[Token | None]] = {}
        # Threads of its own: telling who calls must not wait behind those who have been let in.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="tokens")

    async def token(self, secret: str, address: str) -> Token:
        """Return the token of a secret.

        Raises:
            ProblemError: 401 when it is not known, has ended or was revoked; 429 when there were
                too many requests.
            UnavailableError: The store cannot be asked.
        """
        token = await self._look_up(secret, address) if is_secret(secret) else None
        if token is None:
            wait_s = self._failures.take(address)
            if wait_s > 0:
                raise _too_many("with unknown tokens from this address", wait_s)
            raise token_unknown()
        self._check_end(token)
        wait_s = self._requests.take(token.token_id)
        if wait_s > 0:
            raise _too_many(f"with the token {token.name!r}", wait_s)
        return token

    async def recheck(self, secret: str) -> None:
        """Refuse a secret that was good a while ago and is not any more.

        Raises:
            ProblemError: 401.
            UnavailableError: The store cannot be asked.
        """
        token = await self._look_up(secret, "")
        if token is None:
            raise token_unknown()
        self._check_end(token)

    def forget(self) -> None:
        """Ask the store afresh about every token, as after one was revoked or rotated."""
        self._known.clear()

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check_end(self, token: Token) -> None:
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise ProblemError(
                401,
                "token-expired",
                f"the token {token.name!r} has expired",
                todo="ask an admin for a new one (`bayeslaw token create`)",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )

    async def _look_up(self, secret: str, address: str) -> Token | None:
        hashed = hash_of(secret)
        known = self._known.get(hashed)
        if known is None and self._failures.is_empty(address):
            return None
        if known is None or time.monotonic() - known[1] > self._trust_s:
            asked_at = time.monotonic()
            token = await self._ask(hashed)
            if token is None:
                self._known.pop(hashed, None)
                return None
            known = self._known[hashed] = (token, asked_at)
            self._known.move_to_end(hashed)
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return known[0] if self._is_good(known[0], hashed) else None

    async def _ask(self, hashed: str) -> Token | None:
        # All who ask at once share one look into the store; a caller who leaves stops nobody.
        asked = self._asked.get(hashed)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, self._store.token_by_hash, hashed)
            self._asked[hashed] = asked
            asked.add_done_callback(partial(self._answered, hashed))
        try:
            async with asyncio.timeout(_ASK_S):
                return await asyncio.shield(asked)
        except TimeoutError:
            raise UnavailableError(f"the store did not answer within {_ASK_S:g} s") from None

    def _answered(self, hashed: str, asked: asyncio.Future[Token | None]) -> None:
        del self._asked[hashed]
        if not asked.cancelled():
            asked.exception()  # seen, even where all who waited for it have left

    def _is_good(self, token: Token, hashed: str) -> bool:
        if token.revoked_at is not None:
            return False
        if hmac.compare_digest(token.secret_hash, hashed):
            return True
        # Two clocks may meet here (the CLI's and the service's), a second apart: nobody minds.
        is_in_grace = token.previous_until is not None and self._clock() < token.previous_until
        return is_in_grace and hmac.compare_digest(token.previous_hash, hashed)


def token_missing() -> ProblemError:
    """Return the refusal of a request without a token."""
    return ProblemError(
        401,
        "token-missing",
        "this needs a bearer token",
        todo="send the header 'Authorization: Bearer blaw_...'; an admin makes tokens with "
        "`bayeslaw token create`",
        headers={"WWW-Authenticate": "Bearer"},
    )


def token_unknown() -> ProblemError:
    """Return the refusal of a token that is wrong, was revoked or rotated away."""
    return ProblemError(
        401,
        "token-unknown",
        "this token is not known, was revoked or was rotated",
        todo="check that the whole secret is sent, or ask an admin for a new one "
        "(`bayeslaw token create`)",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def _too_many(what: str, wait_s: float) -> ProblemError:
    return ProblemError(
        429,
        "rate-limited",
        f"too many requests {what}",
        todo="wait as long as Retry-After says, then go on slower",
        headers={"Retry-After": str(max(1, round(wait_s + 0.5)))},
    )
