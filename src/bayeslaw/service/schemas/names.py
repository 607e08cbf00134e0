"""What names, counts and times look like in requests and answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from bayeslaw.errors import InvalidInputError

# No control characters and no slash; a colon would be read as the start of a verb, and a path
# that begins with a dot is rewritten on its way by some clients.
NEW_NAME = r"^[^\x00-\x20\x7f/:.][^\x00-\x1f\x7f/:]{0,199}$"
"""Pattern of a name that is given over HTTP."""

KNOWN_NAME = r"^[^\x00-\x1f\x7f/]{1,200}$"
"""Pattern of a name that is asked for; what the command line wrote may have colons."""

LARGEST_COUNT = 2**53 - 1
"""What every JSON reader keeps exactly."""


class Body(BaseModel):
    """A request: what is not known is refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Document(BaseModel):
    """An answer, for the description of the API; answers themselves are built as dicts."""

    model_config = ConfigDict(extra="forbid")


NewName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=NEW_NAME,
        description="1 to 200 characters; no control characters, slashes or colons, no dot first.",
    ),
]
WorkerId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]{1,200}$",
        description="The worker's own name, the same whenever it asks; 1 to 200 characters.",
        examples=["node3-gpu0"],
    ),
]
Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        pattern=r"\S",
        description="For people, kept with the run.",
        examples=["loss diverged at step 1200"],
    ),
]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
GpuHours = Annotated[float, Field(ge=0, le=1e9, description="Device-hours [h].")]
LeaseSeconds = Annotated[
    float,
    Field(gt=0, le=7 * 86_400, description="How long the lease lasts from now [s]."),
]
Loss = Annotated[
    float, Field(gt=0, le=1e6, description="Loss [nats per token].", examples=[2.9731])
]
LossError = Annotated[
    float, Field(ge=0, le=1e6, description="Its standard error [nats per token].")
]
Free = Annotated[dict[str, Any], Field(description="Any JSON object worth keeping.")]
Instant = Annotated[str, Field(description="RFC 3339, UTC.", examples=["2026-01-31T04:05:06.789Z"])]

StudyPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=KNOWN_NAME, description="The study's name.")
]
RunPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=KNOWN_NAME, description="The run's name.")
]
OperationPath = Annotated[
    str,
    Path(min_length=1, max_length=200, pattern=KNOWN_NAME, description="The operation's name."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x20-\x7e]{1,200}$",
        description="Names this write. Sent again with the same body within a day, it is not "
        "carried out again: the answer is that of the first time, with `Idempotent-Replayed: "
        "true`. With another body it is refused (422 `idempotency-key-reused`).",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="An `ETag`: change the resource only if it is still that one, else 412.",
    ),
]
PageSize = Annotated[int, Query(ge=1, le=1000, description="Entries at most.")]
PageToken = Annotated[
    str,
    Query(
        max_length=200,
        pattern=r"^(YWZ0ZXIt[A-Za-z0-9]{2,24})?$",
        description="The `next_page_token` of the page before; empty for the first page.",
    ),
]
NextPageToken = Annotated[
    str, Field(description="Where the next page begins; empty when there is none yet.")
]
WaitSeconds = Annotated[
    float,
    Query(ge=0, le=60, allow_inf_nan=False, description="How long the answer may take [s]."),
]


def checked_new_name(name: str, what: str) -> str:
    """Return a name that fits `NEW_NAME`.

    Raises:
        InvalidInputError: It does not.

    >>> checked_new_name("tiny", "a study's name")
    'tiny'
    """
    if not re.fullmatch(NEW_NAME, name):
        raise InvalidInputError(
            f"{what} has 1 to 200 characters, no control characters, slashes or colons, and no dot "
            f"or space first; got {name[:50]!r}"
        )
    return name


def instant(seconds: float) -> str:
    """Return a time as text, from seconds since 1970.

    >>> instant(1.5)
    '1970-01-01T00:00:01.500Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def instant_or_none(seconds: float | None) -> str | None:
    """Return a time as text, or None where there is none."""
    return None if seconds is None else instant(seconds)
