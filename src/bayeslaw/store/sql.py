"""The store that ships: SQLite by default, Postgres by URL, one code for both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.runs import Measurement, Run
from bayeslaw.store import schema
from bayeslaw.store.connect import explained, open_engine, writing
from bayeslaw.store.records import Document, Event, StoredMeasurement, StoredRun


class SqlStore:
    """Keep studies in a database.

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

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and connections; closing twice is harmless."""
        self._engine.dispose()

    def create_study(self, study_id: str, config: Mapping[str, Any], *, at: float) -> None:
        """Begin a study, with an event ``study_created``; see `Store.create_study`."""
        if not study_id:
            raise InvalidInputError("a study needs a name, got an empty one")
        payload = _json(config, f"the config of study {study_id!r}")
        with self._writing() as connection:
            taken = select(schema.studies.c.study_id).where(schema.studies.c.study_id == study_id)
            if connection.execute(taken).first():
                raise StateError(f"a study {study_id!r} exists already; open it, or name another")
            connection.execute(
                insert(schema.studies).values(study_id=study_id, config=payload, created_at=at)
            )
            _append(connection, study_id, [Event("study_created", at)])

    def studies(self) -> list[str]:
        """Return the names of all studies, oldest first."""
        query = select(schema.studies.c.study_id).order_by(schema.studies.c.position)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def config(self, study_id: str) -> dict[str, Any]:
        """Return what the study was created with; see `Store.config`."""
        with self._reading() as connection:
            return _study(connection, study_id)

    def commit(
        self,
        study_id: str,
        events: Sequence[Event],
        *,
        runs: Sequence[StoredRun] = (),
        measurements: Sequence[StoredMeasurement] = (),
        documents: Mapping[str, Any] | None = None,
    ) -> int:
        """Write a change and its events, whole or not at all; see `Store.commit`."""
        if not events:
            raise InvalidInputError("a change needs an event that tells of it, got none")
        with self._writing() as connection:
            # Locks the study where the database can (Postgres), so that events become visible in
            # the order of their numbers; SQLite has one writer anyway.
            _study(connection, study_id, lock=True)
            for entry in runs:
                _write_run(connection, study_id, entry)
            for entry in measurements:
                _insert_measurement(connection, study_id, entry)
            for name, payload in (documents or {}).items():
                _insert_document(connection, study_id, name, payload, events[-1].at)
            return _append(connection, study_id, events)

    def runs(self, study_id: str, *, statuses: Sequence[str] | None = None) -> list[StoredRun]:
        """Return the runs, in the order they were added; see `Store.runs`."""
        table = schema.runs
        query = select(table).where(table.c.study_id == study_id).order_by(table.c.position)
        if statuses is not None:
            query = query.where(table.c.status.in_(statuses))
        return [_stored_run(row) for row in self._rows(study_id, query)]

    def run(self, study_id: str, run_id: str) -> StoredRun:
        """Return one run; see `Store.run`."""
        table = schema.runs
        query = select(table).where(table.c.study_id == study_id, table.c.run_id == run_id)
        if not (rows := self._rows(study_id, query)):
            raise NotFoundError(f"study {study_id!r} has no run {run_id!r}")
        return _stored_run(rows[0])

    def measurements(self, study_id: str) -> list[StoredMeasurement]:
        """Return the measurements, in the order they were added; see `Store.measurements`."""
        table = schema.measurements
        query = select(table).where(table.c.study_id == study_id).order_by(table.c.position)
        return [
            StoredMeasurement(
                row.measurement_id, Measurement.from_dict(row.payload), row.cost_gpu_hours
            )
            for row in self._rows(study_id, query)
        ]

    def events(
        self,
        study_id: str,
        *,
        since: int = 0,
        kinds: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Return events numbered above ``since``, oldest first; see `Store.events`."""
        table = schema.events
        query = (
            select(table)
            .where(table.c.study_id == study_id, table.c.seq > since)
            .order_by(table.c.seq)
            .limit(limit)
        )
        if kinds is not None:
            query = query.where(table.c.kind.in_(kinds))
        return [
            Event(row.kind, row.at, row.run_id, row.payload, row.seq)
            for row in self._rows(study_id, query)
        ]

    def document(self, study_id: str, name: str, *, version: int | None = None) -> Document:
        """Return a document, the latest version unless one is named; see `Store.document`."""
        table = schema.documents
        query = (
            select(table)
            .where(table.c.study_id == study_id, table.c.name == name)
            .order_by(table.c.version.desc())
            .limit(1)
        )
        if version is not None:
            query = query.where(table.c.version == version)
        if not (rows := self._rows(study_id, query)):
            wanted = name if version is None else f"{name} version {version}"
            raise NotFoundError(f"study {study_id!r} has no document {wanted!r}")
        row = rows[0]
        return Document(row.name, row.version, row.at, row.payload)

    def _rows(self, study_id: str, query: Select[Any]) -> Sequence[Any]:
        with self._reading() as connection:
            _study(connection, study_id)
            return connection.execute(query).all()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(self._engine.url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(self._engine.url), writing(self._engine) as connection:
            yield connection


def _study(connection: Connection, study_id: str, *, lock: bool = False) -> dict[str, Any]:
    query = select(schema.studies.c.config).where(schema.studies.c.study_id == study_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFoundError(f"no study {study_id!r} in this store")
    return row.config


def _write_run(connection: Connection, study_id: str, entry: StoredRun) -> None:
    table, run = schema.runs, entry.run
    values = {
        "status": run.status,
        "payload": _json(run.to_dict(), f"run {run.run_id!r}"),
        "version": entry.version + 1,
        "holder": entry.holder,
        "leased_at": entry.leased_at,
        "expires_at": entry.expires_at,
        "n_lost": entry.n_lost,
    }
    if entry.version == 0:
        try:
            connection.execute(insert(table).values(study_id=study_id, run_id=run.run_id, **values))
        except IntegrityError as error:
            raise StateError(
                f"study {study_id!r} has a run {run.run_id!r} already; run names are unique"
            ) from error
        return
    unchanged = (
        (table.c.study_id == study_id)
        & (table.c.run_id == run.run_id)
        & (table.c.version == entry.version)
    )
    if connection.execute(update(table).where(unchanged).values(**values)).rowcount != 1:
        raise StateError(
            f"run {run.run_id!r} is no longer at version {entry.version}: somebody changed it "
            f"since it was read; read it again and decide anew"
        )


def _insert_measurement(connection: Connection, study_id: str, entry: StoredMeasurement) -> None:
    name = entry.measurement_id
    payload = _json(entry.measurement.to_dict(), f"measurement {name!r}")
    try:
        connection.execute(
            insert(schema.measurements).values(
                study_id=study_id,
                measurement_id=name,
                cost_gpu_hours=entry.cost_gpu_hours,
                payload=payload,
            )
        )
    except IntegrityError as error:
        raise StateError(
            f"study {study_id!r} has a measurement {name!r} already; measurement names are unique"
        ) from error


def _insert_document(
    connection: Connection, study_id: str, name: str, payload: Any, at: float
) -> None:
    table = schema.documents
    here = (table.c.study_id == study_id) & (table.c.name == name)
    latest = connection.execute(select(func.max(table.c.version)).where(here)).scalar() or 0
    payload = _json(payload, f"document {name!r}")
    connection.execute(
        insert(table).values(
            study_id=study_id, name=name, version=latest + 1, at=at, payload=payload
        )
    )


def _append(connection: Connection, study_id: str, events: Sequence[Event]) -> int:
    seq = 0
    for event in events:
        result = connection.execute(
            insert(schema.events).values(
                study_id=study_id,
                at=event.at,
                kind=event.kind,
                run_id=event.run_id,
                payload=_json(event.payload, f"event {event.kind!r}"),
            )
        )
        seq = int(result.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]
    return seq


def _stored_run(row: Any) -> StoredRun:
    return StoredRun(
        run=Run.from_dict(row.payload),
        version=row.version,
        holder=row.holder,
        leased_at=row.leased_at,
        expires_at=row.expires_at,
        n_lost=row.n_lost,
    )


def _json(value: Any, what: str) -> Any:
    """Return the value if it survives JSON unharmed; NaN, arrays and paths do not."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{what} is not JSON: {error}; store plain numbers, text, lists and dicts"
        ) from error
    return value
