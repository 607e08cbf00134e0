"""Read a long list page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from bayeslaw.client.message import Message
from bayeslaw.client.transport import Transport

PAGE_SIZE = 1000

AnyPage = TypeVar("AnyPage", bound=Message)


def pages(
    transport: Transport,
    kind: type[AnyPage],
    path: str,
    params: Mapping[str, Any] | None = None,
) -> Iterator[AnyPage]:
    """Yield a list's pages; the next is asked for when it is needed."""
    token = None
    while True:
        asked = {**(params or {}), "page_size": PAGE_SIZE, "page_token": token}
        page = kind.read(transport.call("GET", path, params=asked).content)
        yield page
        token = page.model_dump(include={"next_page_token"})["next_page_token"]
        if not token:
            return
