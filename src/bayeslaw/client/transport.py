"""One call to the service: the token, the pool, the tries, the key that makes tries harmless."""

from __future__ import annotations

import ipaddress
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from bayeslaw.client.problems import error_of_response
from bayeslaw.client.retrying import TRANSIENT, RetryPolicy, retry_after_s
from bayeslaw.errors import InvalidInputError, UnavailableError

_WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})


class Transport:
    """Send requests to one server, through a pool that threads may share.

    Args:
        url: Where the server listens, such as ``http://127.0.0.1:8080``.
        token: Sent as ``Authorization: Bearer``; it goes to this address only, redirects are not
            followed.
        timeout_s: Without an answer for so long, a try counts as failed [s]. Time that the server
            was asked to wait comes on top.
        policy: How often a failed try is repeated.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float, policy: RetryPolicy) -> None:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InvalidInputError(f"{url!r} is no address: {error}") from error
        if address.scheme not in ("http", "https") or not address.host:
            raise InvalidInputError(f"an address begins with http:// or https://, got {url!r}")
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise InvalidInputError("a token is one word of printable ASCII, got something else")
        self._timeout_s = timeout_s
        self.policy = policy
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            trust_env=not _is_loopback(address.host),  # no proxy between a machine and itself
        )

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._http.base_url)

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
        patience_s: float | None = None,
        is_keyed: bool = True,
    ) -> httpx.Response:
        """Send a request until it is answered, and return an answer that is a success.

        A write carries an ``Idempotency-Key`` made here, once: however often it is sent, it is
        done once, and a try that got lost on its way back is answered as the first one was.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: Below the address, such as ``v1/studies``.
            body: JSON-ready; nouns of bayeslaw and models of `bayeslaw.client.types` too.
            params: Of the query; None is left out.
            headers: Sent beside our own.
            wait_s: How long the server was asked to wait before it answers [s].
            patience_s: Instead of the policy's [s]; 0 tries once.
            is_keyed: Whether a write carries a key; needless where doing it twice is no harm.

        Raises:
            BayeslawError: What the service says is wrong.
            UnavailableError: No answer within the patience.
        """
        sent = dict(headers or {})
        content = None
        if body is not None:
            content = to_json(body)
            sent["Content-Type"] = "application/json"
        if is_keyed and method in _WRITES:
            sent["Idempotency-Key"] = uuid.uuid4().hex
        request = self._http.build_request(
            method,
            path,
            content=content,
            params={k: v for k, v in (params or {}).items() if v is not None},
            headers=sent,
            timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + wait_s),
        )
        response = self._send_patiently(request, patience_s)
        if not response.is_success:
            raise error_of_response(response)
        return response

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any], headers: Mapping[str, str], silence_s: float
    ) -> Iterator[httpx.Response]:
        """Open an answer that goes on; broken off when nothing came for ``silence_s`` [s].

        Raises:
            httpx.TransportError: The connection broke; the caller knows where to go on.
        """
        with self._http.stream(
            "GET",
            path,
            params={k: v for k, v in params.items() if v is not None},
            headers=dict(headers),
            timeout=httpx.Timeout(self._timeout_s, read=silence_s),
        ) as response:
            if not response.is_success:
                response.read()
            yield response

    def _send_patiently(self, request: httpx.Request, patience_s: float | None) -> httpx.Response:
        patience_s = self.policy.patience_s if patience_s is None else patience_s
        first_failure = None
        n_failures = 0
        while True:
            response, failure = None, ""
            try:
                response = self._http.send(request)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise InvalidInputError(f"cannot ask {request.url}: {error}") from error
            except httpx.TransportError as error:
                failure = f"{type(error).__name__} ({error or 'no details'})"
            if response is not None and response.status_code not in TRANSIENT:
                return response
            n_failures += 1
            now = time.monotonic()
            first_failure = now if first_failure is None else first_failure
            asked_s = (
                0.0 if response is None else retry_after_s(response.headers.get("Retry-After"))
            )
            wait_s = self.policy.wait_s(n_failures, asked_s)
            if now + wait_s > first_failure + patience_s:
                if response is not None:
                    return response
                raise UnavailableError(
                    f"no answer to {request.method} {request.url} in {n_failures} tries over "
                    f"{now - first_failure:.0f} s, the last ended with {failure}; is `bayeslaw "
                    f"serve` running there?"
                )
            time.sleep(wait_s)


def to_json(body: Any) -> bytes:
    """Return a body as JSON, the same bytes for each try.

    >>> from bayeslaw.space import Workload
    >>> b'"batch_size":1' in to_json({"workload": Workload()})
    True
    """
    try:
        return json.dumps(body, default=_plain, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise InvalidInputError(f"JSON has no word for this: {error}") from error


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, Mapping):
        return dict(value)
    raise InvalidInputError(f"JSON has no word for a {type(value).__name__}: {value!r}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
