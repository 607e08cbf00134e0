"""The store over SQLAlchemy: SQLite by default, Postgres by URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeslaw.store.change import Change
from bayeslaw.store.connect import explained, open_engine, writing
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


class SqlStore:
    """Keep studies in a database; see `Store` for what each method promises.

    SQLite runs with its write-ahead log and ``synchronous = FULL``: a change is on disk before
    the call that made it returns, whatever is killed afterwards. Writers queue. Threads may
    share a store; processes each open their own.

    Args:
        url_or_path: A file (created when missing) or a database URL such as
            ``postgresql://user@host/name``.

    Raises:
        InvalidInputError: The address makes no sense, or the file is not a bayeslaw store.
        StateError: A newer bayeslaw wrote it.
        UnavailableError: It cannot be reached, or its driver is not installed.
    """

    def __init__(self, url_or_path: str | Path) -> None:
        self._engine = open_engine(url_or_path)
        self._local = threading.local()

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""
        self._engine.dispose()

    # Writing.

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction, or a part of the one that this thread has open."""
        if (outer := self._open) is not None:
            with explained(self._engine.url), outer.part():
                yield outer
            return
        with explained(self._engine.url), writing(self._engine) as connection:
            self._local.transaction = transaction = Transaction(connection)
            try:
                yield transaction
                transaction.finish()
            finally:
                self._local.transaction = None

    @contextmanager
    def changing(self, study_id: str) -> Iterator[Change]:
        """Change one study in the transaction that this thread has open, or in one of its own."""
        if (outer := self._open) is not None:
            yield outer.change(study_id)
            return
        with self.transaction() as transaction:
            yield transaction.change(study_id)

    def create_study(self, study_id: str, config: Mapping[str, Any], *, at: float) -> StoredStudy:
        """Begin a study, with an event ``study_created``."""
        with self.transaction() as transaction:
            return transaction.create_study(study_id, config, at=at)

    # Reading.

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """Ask several questions about one moment."""
        if (outer := self._open) is not None:
            yield outer.reader
            return
        with explained(self._engine.url), self._engine.connect() as connection:
            yield Reader(connection)

    def studies(self, *, after: int = 0, limit: int | None = None) -> list[StoredStudy]:
        """Return studies, oldest first."""
        with self.reading() as reader:
            return reader.studies(after=after, limit=limit)

    def study(self, study_id: str) -> StoredStudy:
        """Return one study."""
        with self.reading() as reader:
            return reader.study(study_id)

    def config(self, study_id: str) -> dict[str, Any]:
        """Return what the study was created with."""
        return self.study(study_id).config

    def runs(
        self,
        study_id: str,
        *,
        statuses: Sequence[str] | None = None,
        holder: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[StoredRun]:
        """Return runs, in the order they were added."""
        with self.reading() as reader:
            return reader.runs(study_id, statuses=statuses, holder=holder, after=after, limit=limit)

    def run(self, study_id: str, run_id: str) -> StoredRun:
        """Return one run."""
        with self.reading() as reader:
            return reader.run(study_id, run_id)

    def tallies(self, study_id: str) -> Tallies:
        """Return sums over a study."""
        with self.reading() as reader:
            return reader.tallies(study_id)

    def measurements(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[StoredMeasurement]:
        """Return measurements, in the order they were added."""
        with self.reading() as reader:
            return reader.measurements(study_id, after=after, limit=limit)

    def events(
        self,
        study_id: str,
        *,
        since: int = 0,
        kinds: Sequence[str] | None = None,
        run_id: str | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return events numbered above ``since``, oldest first."""
        with self.reading() as reader:
            return reader.events(study_id, since=since, kinds=kinds, run_id=run_id, limit=limit)

    def last_seq(self, study_id: str | None = None) -> int:
        """Return the number of the last event, of one study or of all."""
        with self.reading() as reader:
            return reader.last_seq(study_id)

    def document(self, study_id: str, name: str, *, version: int | None = None) -> Document:
        """Return a document, the latest version unless one is named."""
        with self.reading() as reader:
            return reader.document(study_id, name, version=version)

    def view(self, study_id: str, name: str) -> View:
        """Return a view."""
        with self.reading() as reader:
            return reader.view(study_id, name)

    def plan_items(self, study_id: str, *, limit: int | None = None) -> list[PlanItem]:
        """Return what is left of the plan, by rank."""
        with self.reading() as reader:
            return reader.plan_items(study_id, limit=limit)

    def operation(self, operation_id: str) -> Operation:
        """Return one operation."""
        with self.reading() as reader:
            return reader.operation(operation_id)

    def operations(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Operation]:
        """Return a study's operations, oldest first."""
        with self.reading() as reader:
            return reader.operations(study_id, after=after, limit=limit)

    def pending_operations(self, limit: int | None = None) -> list[Operation]:
        """Return operations of all studies that wait for a planner, oldest first."""
        with self.reading() as reader:
            return reader.pending_operations(limit)

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        with self.reading() as reader:
            return reader.tokens()

    def token_by_hash(self, secret_hash: str) -> Token | None:
        """Return the token with that secret; None when there is none."""
        with self.reading() as reader:
            return reader.token_by_hash(secret_hash)

    @property
    def _open(self) -> Transaction | None:
        """The transaction that this thread is in."""
        return getattr(self._local, "transaction", None)
