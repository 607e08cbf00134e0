"""A planning service as Python sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bayeslaw.client.operations import wait_for_operation
from bayeslaw.client.pages import pages
from bayeslaw.client.retrying import RetryPolicy
from bayeslaw.client.study import RemoteStudy
from bayeslaw.client.transport import Transport
from bayeslaw.client.types import (
    OperationDocument,
    SpaceAnswer,
    StudyDocument,
    StudyEntry,
    StudyPage,
)
from bayeslaw.errors import AccessError, NotFoundError

DEFAULT_URL = "http://127.0.0.1:8080"
"""Where ``bayeslaw serve`` listens unless it is told otherwise."""


class Client:
    """Talk to ``bayeslaw serve``; threads may share one client.

    What was meant to be done is done once, however often a call had to be repeated: connections
    that break, 429, 502, 503 and 504 are tried again with random growing waits, and each write
    carries a key by which the service knows it again.

    Args:
        url: Where the service listens; ``BAYESLAW_URL``, else this machine, when left out.
        token: What it knows you by; ``BAYESLAW_TOKEN`` when left out.
        timeout_s: Without an answer for so long, a try counts as failed [s].
        retries: How long a call is tried again.

    >>> with Client("http://127.0.0.1:8080", token="secret") as client:
    ...     client.study("demo").study_id
    'demo'
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
    ) -> None:
        url = url or os.environ.get("BAYESLAW_URL") or DEFAULT_URL
        token = (token or os.environ.get("BAYESLAW_TOKEN") or "").strip()
        if not token:
            raise AccessError(
                f"no token for {url}: set BAYESLAW_TOKEN, pass token=, or use Client.local(home) "
                f"on the machine where `bayeslaw serve` runs"
            )
        self._transport = Transport(
            url, token, timeout_s=timeout_s, policy=retries or RetryPolicy()
        )

    @classmethod
    def local(
        cls,
        home: Path | str,
        *,
        timeout_s: float = 30.0,
        retries: RetryPolicy | None = None,
    ) -> Client:
        """Talk to a server of this machine as its administrator, with what it left in its home.

        Args:
            home: The folder that ``bayeslaw serve --home`` was given.
            timeout_s: As above [s].
            retries: As above.

        Raises:
            NotFoundError: No server has been started there, or none of yours.
        """
        words = []
        for name in ("address", "admin.token"):
            try:
                words.append((Path(home) / name).read_text().strip())
            except OSError as error:
                raise NotFoundError(
                    f"cannot read {name} of a local server in {str(home)!r}: {error.strerror}; "
                    f"`bayeslaw serve --home {home}` writes it"
                ) from error
        return cls(words[0], words[1], timeout_s=timeout_s, retries=retries)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._transport.url

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._transport.close()

    def study(self, study_id: str) -> RemoteStudy:
        """Return a study by its name, without asking whether there is one."""
        return RemoteStudy(self._transport, study_id)

    def studies(self) -> Iterator[StudyEntry]:
        """Yield every study, in the order they were made."""
        for page in pages(self._transport, StudyPage, "v1/studies"):
            yield from page.studies

    def create_study(self, config: Mapping[str, Any]) -> RemoteStudy:
        """Make a study, or find the one that has this very config, and return it.

        Args:
            config: What a study's YAML file holds, parsed; its ``name`` is the study's.

        Raises:
            InvalidInputError: It is no study.
            StateError: A study of that name has another config.
        """
        answer = self._transport.call("POST", "v1/studies", body={"config": config})
        return self.study(StudyDocument.read(answer.content).study_id)

    def validate_space(self, config: Mapping[str, Any]) -> SpaceAnswer:
        """Say what a study's space holds, or what is wrong with it; nothing is made."""
        answer = self._transport.call(
            "POST", "v1/spaces:validate", body={"config": config}, is_keyed=False
        )
        return SpaceAnswer.read(answer.content)

    def operation(self, operation_id: str, *, wait_s: float = 0.0) -> OperationDocument:
        """Return what became of a question to the planner, waiting for its end so long [s].

        Raises:
            BayeslawError: It failed; the error says how.
        """
        return wait_for_operation(self._transport, operation_id, wait_s)
