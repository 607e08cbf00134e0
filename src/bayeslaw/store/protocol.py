"""The port: what a study and the service need of whatever keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from bayeslaw.store.change import Change
from bayeslaw.store.reading import Reader
from bayeslaw.store.records import (
    Document,
    Event,
    Operation,
    PlanItem,
    StoredMeasurement,
    StoredRun,
    StoredStudy,
    Token,
    View,
)
from bayeslaw.store.tallies import Tallies
from bayeslaw.store.transaction import Transaction


class Store(Protocol):
    """Keep studies so that what was acknowledged survives a crash.

    There is one way to write, `transaction`: what is written in it is kept whole or not at all,
    and is durable when its block is left. A study's state and the events that tell of it are
    written together. Payloads are JSON. Every method that names a study raises `NotFoundError`
    when there is no such study, and every method raises `UnavailableError` when the store cannot
    be reached or written.
    """

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a transaction.

        Inside another one of the same thread it is a part of that: what fails in it is undone
        alone, and nothing is durable before the outer block is left. Everything that this thread
        reads meanwhile it reads through the transaction.
        """
        ...

    def changing(self, study_id: str) -> AbstractContextManager[Change]:
        """Lock one study and change it, in the transaction that this thread has open or a new one.

        In an open one this is no part of its own: what fails halfway is undone with the part that
        it is in.
        """
        ...

    def create_study(self, study_id: str, config: Mapping[str, Any], *, at: float) -> StoredStudy:
        """Begin a study, with an event ``study_created``.

        Raises:
            StateError: A study of that name exists.
            InvalidInputError: The name is empty or the config is not JSON.
        """
        ...

    def reading(self) -> AbstractContextManager[Reader]:
        """Ask several questions about one moment."""
        ...

    def studies(self, *, after: int = 0, limit: int | None = None) -> list[StoredStudy]:
        """Return studies, oldest first; those added after the one at position ``after``."""
        ...

    def study(self, study_id: str) -> StoredStudy:
        """Return one study."""
        ...

    def config(self, study_id: str) -> dict[str, Any]:
        """Return what the study was created with."""
        ...

    def runs(
        self,
        study_id: str,
        *,
        statuses: Sequence[str] | None = None,
        holder: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[StoredRun]:
        """Return runs, in the order they were added; of some statuses, of one holder, if given."""
        ...

    def run(self, study_id: str, run_id: str) -> StoredRun:
        """Return one run.

        Raises:
            NotFoundError: No such study or run.
        """
        ...

    def tallies(self, study_id: str) -> Tallies:
        """Return sums over a study: runs by status, what was spent."""
        ...

    def measurements(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[StoredMeasurement]:
        """Return measurements, in the order they were added."""
        ...

    def events(
        self,
        study_id: str,
        *,
        since: int = 0,
        kinds: Sequence[str] | None = None,
        run_id: str | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return events numbered above ``since``, oldest first; whoever reads on misses none."""
        ...

    def last_seq(self, study_id: str | None = None) -> int:
        """Return the number of the last event, of one study or of all; 0 when there is none."""
        ...

    def document(self, study_id: str, name: str, *, version: int | None = None) -> Document:
        """Return a document, the latest version unless one is named.

        Raises:
            NotFoundError: No such study, document or version.
        """
        ...

    def view(self, study_id: str, name: str) -> View:
        """Return the latest of something that was computed.

        Raises:
            NotFoundError: No such study, or it was not computed yet.
        """
        ...

    def plan_items(self, study_id: str, *, limit: int | None = None) -> list[PlanItem]:
        """Return what is left of the plan, by rank."""
        ...

    def operation(self, operation_id: str) -> Operation:
        """Return one operation.

        Raises:
            NotFoundError: There is none of that name.
        """
        ...

    def operations(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Operation]:
        """Return a study's operations, oldest first."""
        ...

    def pending_operations(self, limit: int | None = None) -> list[Operation]:
        """Return operations of all studies that wait for a planner, oldest first."""
        ...

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        ...

    def token_by_hash(self, secret_hash: str) -> Token | None:
        """Return the token whose present or previous secret has that SHA-256; None without one."""
        ...

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""
        ...
