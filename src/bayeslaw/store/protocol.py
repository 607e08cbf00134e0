"""The port: what a study needs of whatever keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bayeslaw.store.records import Document, Event, StoredMeasurement, StoredRun


class Store(Protocol):
    """Keep studies so that what was acknowledged survives a crash.

    There is one way to change a study, `commit`: state and the events that tell of it are
    written together or not at all, and are durable when it returns. Payloads are JSON. Every
    method that names a study raises `NotFoundError` when there is no such study, and every
    method raises `UnavailableError` when the store cannot be reached or written.
    """

    def create_study(self, study_id: str, config: Mapping[str, Any], *, at: float) -> None:
        """Begin a study, with an event ``study_created``.

        Raises:
            StateError: A study of that name exists.
            InvalidInputError: The name is empty or the config is not JSON.
        """
        ...

    def studies(self) -> list[str]:
        """Return the names of all studies, oldest first."""
        ...

    def config(self, study_id: str) -> dict[str, Any]:
        """Return what the study was created with.

        Raises:
            NotFoundError: No such study.
        """
        ...

    def commit(
        self,
        study_id: str,
        events: Sequence[Event],
        *,
        runs: Sequence[StoredRun] = (),
        measurements: Sequence[StoredMeasurement] = (),
        documents: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a change and the events that tell of it, whole or not at all.

        Args:
            study_id: The study.
            events: What happened; at least one.
            runs: Runs to insert (version 0) or to replace (the version they were read at).
            measurements: Measurements to add.
            documents: Name to payload; each becomes the next version of that document.

        Returns:
            The number of the last event.

        Raises:
            NotFoundError: No such study.
            StateError: A run has changed since it was read, or a new name is already taken.
            InvalidInputError: No event, or something that is not JSON (a NaN, an array).
        """
        ...

    def runs(self, study_id: str, *, statuses: Sequence[str] | None = None) -> list[StoredRun]:
        """Return the runs, in the order they were added; only some statuses if given.

        Raises:
            NotFoundError: No such study.
        """
        ...

    def run(self, study_id: str, run_id: str) -> StoredRun:
        """Return one run.

        Raises:
            NotFoundError: No such study or run.
        """
        ...

    def measurements(self, study_id: str) -> list[StoredMeasurement]:
        """Return the measurements, in the order they were added.

        Raises:
            NotFoundError: No such study.
        """
        ...

    def events(
        self,
        study_id: str,
        *,
        since: int = 0,
        kinds: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return events numbered above ``since``, oldest first; whoever reads on misses none.

        Raises:
            NotFoundError: No such study.
        """
        ...

    def document(self, study_id: str, name: str, *, version: int | None = None) -> Document:
        """Return a document, the latest version unless one is named.

        Raises:
            NotFoundError: No such study, document or version.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""
        ...
