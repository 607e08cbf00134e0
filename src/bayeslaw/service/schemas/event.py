"""What happened to a study."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query
from pydantic import Field

from bayeslaw.service.schemas.names import KNOWN_NAME, Document, Instant, instant
from bayeslaw.store import Event

Since = Annotated[
    int, Query(ge=0, le=2**63 - 1, description="Events after this number, oldest first.")
]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="Events at most.")]
OfRun = Annotated[
    str | None,
    Query(min_length=1, max_length=200, pattern=KNOWN_NAME, description="Only of this run."),
]
Kinds = Annotated[
    list[Annotated[str, Field(pattern=r"^[a-z_]{1,50}$")]],
    Query(max_length=50, description="Only of these kinds, such as `run_done`; repeated."),
]
LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,18}$",
        description="Where a stream was cut off; goes before `since`.",
    ),
]


class EventDocument(Document):
    """One thing that happened; events are only ever added."""

    seq: Annotated[int, Field(description="Rises; where to read on.")]
    kind: str
    at: Instant
    run_id: str | None
    payload: dict[str, Any]


class EventPage(Document):
    """Some events of a study, oldest first."""

    events: list[EventDocument]
    next_since: Annotated[int, Field(description="Where to read on: the `since` of the next call.")]


def event_answer(event: Event) -> dict[str, Any]:
    """Return an event as JSON."""
    return {
        "seq": event.seq,
        "kind": event.kind,
        "at": instant(event.at),
        "run_id": event.run_id or None,
        "payload": event.payload,
    }
