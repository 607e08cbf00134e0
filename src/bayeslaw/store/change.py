"""A study while it is changed: locked, read, and written with the events that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Update, bindparam, delete, func, insert, select, update

from bayeslaw.errors import NotFoundError, StateError
from bayeslaw.store import rows, schema
from bayeslaw.store.reading import Reader
from bayeslaw.store.records import (
    Event,
    PlanItem,
    StoredMeasurement,
    StoredRun,
    StudyStatus,
)
from bayeslaw.store.tallies import Tallies

# Statements that every write needs are built once: building one costs as much as running it.
_LOCK = (
    select(*(schema.studies.c[name] for name in ("state", "version", "n_named", "tallies")))
    .where(schema.studies.c.study_id == bindparam("this_study"))
    .with_for_update()
)
_DROP_ITEM = delete(schema.plan_items).where(
    schema.plan_items.c.study_id == bindparam("this_study"),
    schema.plan_items.c.rank == bindparam("this_rank"),
)
_TELL = insert(schema.events)


@lru_cache(maxsize=256)
def _update_run(columns: tuple[str, ...]) -> Update:
    table = schema.runs
    here = (table.c.study_id == bindparam("this_study")) & (table.c.run_id == bindparam("this_run"))
    return update(table).where(here).values({name: bindparam(name) for name in columns})


@dataclass(frozen=True, slots=True)
class _Head:
    """What a locked study's row says, but for its config."""

    state: StudyStatus
    version: int
    n_named: int
    tallies: Tallies


class Change:
    """Change one study inside a transaction; got from `Transaction.change`.

    Nobody else changes the study meanwhile, so what is read here still holds when it is written,
    and a run that was read once is not read again. Whatever becomes of a row is also noted with
    the event that tells of it.

    Attributes:
        study_id: Of the study.

    Raises:
        NotFoundError: No such study.
    """

    def __init__(self, connection: Connection, study_id: str) -> None:
        self._connection = connection
        self._runs: dict[str, StoredRun] = {}
        self._told: list[dict[str, Any]] = []
        self._reader = Reader(connection)
        self.study_id = study_id
        self._head: _Head | None = None
        self._n_named = self._lock().n_named
        self._is_counted = True

    # What is read.

    @property
    def reader(self) -> Reader:
        """Questions, answered with what was written here so far."""
        self.finish()
        return self._reader

    @property
    def state(self) -> StudyStatus:
        """Whether runs are handed out."""
        return self._lock().state

    def run(self, run_id: str) -> StoredRun:
        """Return one run, or raise `NotFoundError`."""
        if run_id not in self._runs:
            self._runs[run_id] = self._reader.run(self.study_id, run_id)
        return self._runs[run_id]

    def held_by(self, worker_id: str) -> list[StoredRun]:
        """Return the runs that a worker holds."""
        return [self._known(entry) for entry in self._reader.held_by(self.study_id, worker_id)]

    def waiting(self, limit: int, *, max_gpu_hours: float | None = None) -> list[StoredRun]:
        """Return planned runs, oldest first."""
        found = self._reader.waiting(self.study_id, limit, max_gpu_hours=max_gpu_hours)
        return [self._known(entry) for entry in found]

    def expired(self, at: float, limit: int | None = None) -> list[StoredRun]:
        """Return held runs whose lease is over."""
        return [self._known(entry) for entry in self._reader.expired(self.study_id, at, limit)]

    def stretched(self, at: float) -> list[StoredRun]:
        """Return held runs whose lease lasts on longer than it was given for."""
        return [self._known(entry) for entry in self._reader.stretched(self.study_id, at)]

    def next_items(self, limit: int, *, max_gpu_hours: float | None = None) -> list[PlanItem]:
        """Return the plan's next items."""
        return self._reader.plan_items(self.study_id, limit=limit, max_gpu_hours=max_gpu_hours)

    def has_candidate(self, key: str) -> bool:
        """Whether a run of that architecture and token count is there."""
        return self._reader.has_candidate(self.study_id, key)

    # What is written.

    def put_run(self, entry: StoredRun, event: Event) -> None:
        """Insert a run (version 0) or replace the version it was read at.

        Raises:
            StateError: The run has changed since it was read, or a new name is already taken.
        """
        if entry.version == 0:
            self.add_runs([(entry, event)])
            return
        run_id = entry.run.run_id
        if self.run(run_id).version != entry.version:
            raise StateError(
                f"run {run_id!r} is no longer at version {entry.version}: somebody changed it "
                f"since it was read; read it again and decide anew"
            )
        before, values = rows.of_run(self._runs[run_id]), rows.of_run(entry)
        changed = {name: value for name, value in values.items() if value != before[name]}
        changed["version"] = values["version"]
        keys = {"this_study": self.study_id, "this_run": run_id}
        self._connection.execute(_update_run(tuple(changed)), {**keys, **changed})
        self._count(self._runs[run_id], sign=-1)
        self._count(entry)
        self._runs[run_id] = replace(entry, version=values["version"])
        self.record(event, ("runs", run_id, changed))

    def add_runs(self, entries: Sequence[tuple[StoredRun, Event]]) -> None:
        """Insert runs that are not stored yet, each with its event.

        Raises:
            StateError: A name is taken.
        """
        table = schema.runs
        names = [entry.run.run_id for entry, _ in entries]
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            query = select(table.c.run_id).where(
                table.c.study_id == self.study_id, table.c.run_id.in_(some)
            )
            if taken := self._connection.execute(query).first():
                raise StateError(
                    f"study {self.study_id!r} has a run {taken.run_id!r} already; run names are "
                    f"unique"
                )
        for entry, _ in entries:
            self._count(entry)
        values = [rows.of_run(entry) for entry, _ in entries]
        self._connection.execute(
            insert(table),
            [
                {"study_id": self.study_id, "run_id": name, **row}
                for name, row in zip(names, values, strict=True)
            ],
        )
        self._record_all(
            [
                (event, ("runs", name, row))
                for (_, event), name, row in zip(entries, names, values, strict=True)
            ]
        )

    def add_measurement(self, entry: StoredMeasurement, event: Event) -> None:
        """Add a measurement.

        Raises:
            StateError: A measurement of that name is there.
        """
        name = entry.measurement_id
        if self._reader.measurement(self.study_id, name) is not None:
            raise StateError(
                f"study {self.study_id!r} has a measurement {name!r} already; measurement names "
                f"are unique"
            )
        values = rows.of_measurement(entry)
        self._connection.execute(
            insert(schema.measurements).values(
                study_id=self.study_id, measurement_id=name, **values
            )
        )
        self._lock().tallies.add_measurement(entry)
        self._is_counted = False
        self.record(event, ("measurements", name, values))

    def put_document(self, name: str, payload: Any, event: Event) -> None:
        """Write the next version of a document."""
        table = schema.documents
        here = (table.c.study_id == self.study_id) & (table.c.name == name)
        latest = self._connection.execute(select(func.max(table.c.version)).where(here)).scalar()
        version = (latest or 0) + 1
        values = {"at": event.at, "payload": rows.checked_json(payload, f"document {name!r}")}
        self._connection.execute(
            insert(table).values(study_id=self.study_id, name=name, version=version, **values)
        )
        self.record(event, ("documents", [name, version], values))

    def set_state(self, state: StudyStatus, event: Event) -> None:
        """Hand runs out from now on, or not, or never again."""
        self._head = replace(self._lock(), state=state, version=self._lock().version + 1)
        values = {"state": state, "version": self._head.version}
        self._update_study(**values)
        self.record(event, ("studies", self.study_id, values))

    def new_name(self) -> str:
        """Return a run name that was never given in this study, and count it as given."""
        while True:
            self._n_named += 1
            name = f"r{self._n_named:06d}"
            if not self._reader.has_run(self.study_id, name):
                self._is_counted = False
                return name

    def record(self, event: Event, *changes: tuple[str, Any, dict[str, Any]]) -> None:
        """Append an event."""
        self._record_all([(event, *changes)])

    def replace_plan(self, items: Sequence[PlanItem]) -> None:
        """Put another plan in the place of what is left of the present one."""
        table = schema.plan_items
        self._connection.execute(delete(table).where(table.c.study_id == self.study_id))
        if items:
            values = [rows.of_plan_item(self.study_id, item) for item in items]
            self._connection.execute(insert(table), values)

    def drop_item(self, rank: int) -> None:
        """Take an item out of the plan."""
        self._connection.execute(_DROP_ITEM, {"this_study": self.study_id, "this_rank": rank})

    def put_view(self, name: str, payload: Any, *, based_on_seq: int, at: float) -> None:
        """Keep something that was computed, in the place of what was there."""
        table = schema.views
        values = {
            "payload": rows.checked_json(payload, f"view {name!r}"),
            "based_on_seq": based_on_seq,
            "at": at,
        }
        here = (table.c.study_id == self.study_id) & (table.c.name == name)
        if self._connection.execute(update(table).where(here).values(**values)).rowcount == 0:
            self._connection.execute(
                insert(table).values(study_id=self.study_id, name=name, **values)
            )

    # What the transaction does.

    def forget(self) -> None:
        """Take nothing for known any more: some of what was written here was undone."""
        self._runs.clear()
        # Read when it is asked for: the connection itself may be what failed.
        self._head, self._is_counted, self._told = None, True, []

    def finish(self) -> None:
        """Write what was put off: events, all in one statement, and the sums over the study."""
        if self._told:
            self._connection.execute(_TELL, self._told)
            self._told = []
        if not self._is_counted:
            self._update_study(n_named=self._n_named, tallies=self._lock().tallies.to_dict())
            self._is_counted = True

    def _count(self, entry: StoredRun, sign: int = 1) -> None:
        self._lock().tallies.add_run(entry, sign)
        self._is_counted = False

    def _lock(self) -> _Head:
        if self._head is None:
            row = self._connection.execute(_LOCK, {"this_study": self.study_id}).first()
            if row is None:
                raise NotFoundError(f"no study {self.study_id!r} in this store")
            state = cast(StudyStatus, row.state)
            self._head = _Head(state, row.version, row.n_named, Tallies(**row.tallies))
        return self._head

    def _known(self, entry: StoredRun) -> StoredRun:
        """Remember a run as it is stored, so that it is not read again."""
        return self._runs.setdefault(entry.run.run_id, entry)

    def _update_study(self, **values: Any) -> None:
        table = schema.studies
        here = table.c.study_id == self.study_id
        self._connection.execute(update(table).where(here).values(**values))

    def _record_all(self, told: Sequence[tuple[Any, ...]]) -> None:
        for event, *changes in told:
            row = {
                "study_id": self.study_id,
                "at": event.at,
                "kind": event.kind,
                "run_id": event.run_id,
                "payload": rows.checked_json(event.payload, f"event {event.kind!r}"),
                "changes": list(changes) or None,
            }
            self._told.append(row)
