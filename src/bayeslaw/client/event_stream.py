"""Read a study's events, and hear of more as they happen, over connections that break."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from bayeslaw.client.pages import PAGE_SIZE
from bayeslaw.client.problems import error_of_response
from bayeslaw.client.retrying import TRANSIENT, retry_after_s
from bayeslaw.client.transport import Transport
from bayeslaw.client.types import EventDocument, EventPage
from bayeslaw.errors import UnavailableError

SILENCE_S = 45.0
"""Without a line for so long the stream is called dead [s]; the server writes one each 15 s."""


def read_events(
    transport: Transport, path: str, since: int, asked: Mapping[str, Any]
) -> Iterator[EventDocument]:
    """Yield the events there are after ``since``, oldest first; the next page when it is needed."""
    while True:
        params = {**asked, "since": since, "limit": PAGE_SIZE}
        page = EventPage.read(transport.call("GET", path, params=params).content)
        yield from page.events
        if len(page.events) < PAGE_SIZE:
            return
        since = page.next_since


def follow_events(
    transport: Transport, path: str, since: int, asked: Mapping[str, Any]
) -> Iterator[EventDocument]:
    """Yield every event after ``since``, each once, in order, and wait for more without end.

    Raises:
        UnavailableError: The server was away for longer than the transport's patience.
        BayeslawError: What the service says is wrong.
    """
    policy = transport.policy
    last_seq, n_failures, first_failure = since, 0, 0.0
    while True:
        failure, asked_s = "the stream ended", 0.0
        try:
            with transport.stream(
                path,
                params={**asked, "since": last_seq},
                headers={"Accept": "text/event-stream", "Last-Event-ID": str(last_seq)},
                silence_s=SILENCE_S,
            ) as response:
                if response.status_code in TRANSIENT:
                    failure = f"status {response.status_code}"
                    asked_s = retry_after_s(response.headers.get("Retry-After"))
                elif not response.is_success:
                    raise error_of_response(response)
                else:
                    for event in map(EventDocument.read, data_of(response.iter_lines())):
                        n_failures = 0
                        if event.seq > last_seq:
                            last_seq = event.seq
                            yield event
        except httpx.TransportError as error:
            failure = f"{type(error).__name__} ({error or 'no details'})"
        n_failures += 1
        first_failure = time.monotonic() if n_failures == 1 else first_failure
        wait_s = policy.wait_s(n_failures, asked_s)
        if time.monotonic() + wait_s > first_failure + policy.patience_s:
            raise UnavailableError(
                f"the events of {transport.url}{path} broke off after number {last_seq} and did "
                f"not come back: {failure}; ask again with since={last_seq}"
            )
        time.sleep(wait_s)


def data_of(lines: Iterable[str]) -> Iterator[str]:
    r"""Yield the data of server-sent events; comments keep the line alive and say nothing.

    >>> list(data_of([": hello", "id: 7", "event: run_done", 'data: {"seq":', "data: 7}", ""]))
    ['{"seq":\n7}']
    """
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
