"""A write is carried out once, however often it is sent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bayeslaw.service.parts import Parts
from bayeslaw.service.problems import ProblemError
from bayeslaw.store import Answer, Token, Transaction

_MATCHES = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold what a write is answered when it succeeds.

    Attributes:
        body: JSON-ready.
        status: Of HTTP.
        headers: Those worth repeating, such as ``ETag``.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Writing:
    """Carry out the write that one request asks for.

    With an ``Idempotency-Key``, the answer is remembered in the transaction of the write itself:
    either both are there or neither, so a caller that never heard the answer asks again and gets
    it. Keys belong to a token. Refusals are not remembered, because nothing was done; the same
    request may succeed later.

    Attributes:
        parts: Of the service.
        request: Its body has been read.
        caller: Who sends it.
        key: The ``Idempotency-Key``, if there is one.
    """

    parts: Parts
    request: Request
    caller: Token
    key: str | None

    async def answer(
        self, decide: Callable[[Transaction], Reply], *, study_id: str = ""
    ) -> Response:
        """Carry it out in the writer's thread, and return the answer once it is on disk.

        Args:
            decide: Changes the store and says what to answer; what it raises undoes the change.
            study_id: The study that it changes.

        Raises:
            ProblemError: The key was used for another request, or too many writes wait.
            UnavailableError: The store could not take it.
        """
        response = await self.try_answer(decide, study_id=study_id)
        assert response is not None
        return response

    async def try_answer(
        self,
        decide: Callable[[Transaction], Reply | None],
        *,
        study_id: str = "",
        is_urgent: bool = False,
    ) -> Response | None:
        """Do as `answer`; None when ``decide`` has no answer yet, which is not remembered."""
        key, clock = self.key, self.parts.clock
        if key is None:

            def once(transaction: Transaction) -> Response | None:
                reply = decide(transaction)
                return None if reply is None else _response(reply, _text(reply))
        else:
            fingerprint = await self._fingerprint()
            token_id = self.caller.token_id

            def once(transaction: Transaction) -> Response | None:
                known = transaction.answer(token_id, key)
                if known is not None:
                    return _again(known, fingerprint)
                reply = decide(transaction)
                if reply is None:
                    return None
                text = _text(reply)
                answer = Answer(fingerprint, reply.status, reply.headers, text)
                transaction.remember(token_id, key, answer, at=clock())
                return _response(reply, text)

        return await self.parts.writer.run(once, study_id=study_id, is_urgent=is_urgent)

    async def _fingerprint(self) -> str:
        scope = self.request.scope
        digest = hashlib.sha256(f"{scope['method']}\0{scope['path']}\0".encode())
        digest.update(await self.request.body())
        return digest.hexdigest()


def etag(version: int) -> dict[str, str]:
    """Return the header that names a version."""
    return {"ETag": f'"{version}"'}


def check_match(if_match: str | None, version: int, what: str) -> None:
    """Refuse to change what is no longer what the caller saw.

    Raises:
        ProblemError: 412 ``changed-meanwhile``, or 422 when the header is no list of tags.

    >>> check_match('"3", "4"', 4, "the run")
    >>> check_match('"3"', 4, "the run")
    Traceback (most recent call last):
    ...
    bayeslaw.service.problems.ProblemError: 412: the run is at version 4, not at "3"
    """
    if if_match is None or if_match.strip() == "*":
        return
    if not _MATCHES.fullmatch(if_match):
        raise ProblemError(
            422,
            "invalid-input",
            f'If-Match is a list of tags such as "3", got {if_match[:100]!a}',
            "send the ETag as it came, with its quotation marks",
        )
    if f'"{version}"' not in [tag.strip() for tag in if_match.split(",")]:
        raise ProblemError(
            412,
            "changed-meanwhile",
            f"{what} is at version {version}, not at {if_match[:100]}",
            "read it again and decide anew",
        )


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON, made of what JSON knows; NaN would be our mistake."""
    text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, media_type="application/json")


def _text(reply: Reply) -> str:
    return json.dumps(reply.body, allow_nan=False, separators=(",", ":"))


def _response(reply: Reply, text: str) -> Response:
    return Response(text.encode(), reply.status, reply.headers, media_type="application/json")


def _again(known: Answer, fingerprint: str) -> Response:
    if known.fingerprint != fingerprint:
        raise ProblemError(
            422,
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request",
            "take a new key for every write; repeat a write with its body unchanged",
        )
    headers = {**known.headers, "Idempotent-Replayed": "true"}
    return Response(known.body.encode(), known.status, headers, media_type="application/json")
