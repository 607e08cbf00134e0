"""Every question that a database is asked, over a connection that is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from bayeslaw.errors import NotFoundError
from bayeslaw.store import rows, schema
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

# More than any table has; a limit that is none.
_ALL = 2**62

# Statements that every write needs are built once: building one costs as much as running it.
_RUNS = schema.runs
_STUDY_IS = _RUNS.c.study_id == bindparam("study")
# As the index on it says, so not a parameter.
_IS_HELD = _RUNS.c.holder != literal_column("''")
# Two questions, not one: a range that an index can answer, and a look at every lease there is.
_IS_OVER = _IS_HELD & (_RUNS.c.expires_at <= bindparam("at"))
_IS_STRETCHED = _IS_HELD & (_RUNS.c.expires_at > bindparam("at") + _RUNS.c.lease_seconds + 1.0)
_RUN = select(_RUNS).where(_STUDY_IS, _RUNS.c.run_id == bindparam("run"))
_HAS_RUN = select(_RUNS.c.run_id).where(_STUDY_IS, _RUNS.c.run_id == bindparam("run"))
_HELD_BY = (
    select(_RUNS)
    .where(_STUDY_IS, _IS_HELD, _RUNS.c.holder == bindparam("worker"))
    .order_by(_RUNS.c.position)
)
_WAITING = (
    select(_RUNS)
    .where(_STUDY_IS, _RUNS.c.status == "planned")
    .order_by(_RUNS.c.position)
    .limit(bindparam("limit"))
)
_WAITING_WITHIN = _WAITING.where(_RUNS.c.cost_gpu_hours <= bindparam("hours"))
_EXPIRED = (
    select(_RUNS).where(_STUDY_IS, _IS_OVER).order_by(_RUNS.c.position).limit(bindparam("limit"))
)
_STRETCHED = select(_RUNS).where(_STUDY_IS, _IS_STRETCHED).order_by(_RUNS.c.position)
_STUDIES_WITH_EXPIRED = select(_RUNS.c.study_id).where(_IS_OVER | _IS_STRETCHED).distinct()
_HAS_CANDIDATE = (
    select(_RUNS.c.run_id)
    .where(_STUDY_IS, _RUNS.c.candidate == bindparam("candidate"), _RUNS.c.status != "abandoned")
    .limit(1)
)
_TALLIES = select(schema.studies.c.tallies).where(schema.studies.c.study_id == bindparam("study"))
_HAS_EVENT = (
    select(schema.events.c.seq)
    .where(
        schema.events.c.study_id == bindparam("study"),
        schema.events.c.kind == bindparam("kind"),
        schema.events.c.seq > bindparam("since"),
    )
    .limit(1)
)
_ITEMS = (
    select(schema.plan_items)
    .where(schema.plan_items.c.study_id == bindparam("study"))
    .order_by(schema.plan_items.c.rank)
    .limit(bindparam("limit"))
)
_ITEMS_WITHIN = _ITEMS.where(schema.plan_items.c.cost_gpu_hours <= bindparam("hours"))


class Reader:
    """Answer questions from one connection, so from one moment; see `Store` for each."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def studies(self, *, after: int = 0, limit: int | None = None) -> list[StoredStudy]:
        """Return studies, oldest first."""
        table = schema.studies
        query = select(table).where(table.c.position > after).order_by(table.c.position)
        return [rows.to_study(row) for row in self._all(query.limit(limit))]

    def study(self, study_id: str) -> StoredStudy:
        """Return one study."""
        query = select(schema.studies).where(schema.studies.c.study_id == study_id)
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFoundError(f"no study {study_id!r} in this store")
        return rows.to_study(row)

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
        table = schema.runs
        query = select(table).where(table.c.study_id == study_id).order_by(table.c.position)
        if after:
            query = query.where(table.c.position > after)
        if statuses is not None:
            query = query.where(table.c.status.in_(statuses))
        if holder is not None:
            query = query.where(table.c.holder == holder)
        return [rows.to_run(row) for row in self._of_study(study_id, query.limit(limit))]

    def run(self, study_id: str, run_id: str) -> StoredRun:
        """Return one run."""
        row = self._connection.execute(_RUN, {"study": study_id, "run": run_id}).first()
        if row is None:
            self.study(study_id)
            raise NotFoundError(f"study {study_id!r} has no run {run_id!r}")
        return rows.to_run(row)

    def has_run(self, study_id: str, run_id: str) -> bool:
        """Whether a run of that name is there."""
        values = {"study": study_id, "run": run_id}
        return self._connection.execute(_HAS_RUN, values).first() is not None

    def held_by(self, study_id: str, worker_id: str) -> list[StoredRun]:
        """Return the runs that a worker holds, longest first."""
        found = self._connection.execute(_HELD_BY, {"study": study_id, "worker": worker_id})
        return [rows.to_run(row) for row in found]

    def waiting(
        self, study_id: str, limit: int, *, max_gpu_hours: float | None = None
    ) -> list[StoredRun]:
        """Return planned runs, oldest first; those of unknown cost only where cost is no limit."""
        query = _WAITING if max_gpu_hours is None else _WAITING_WITHIN
        values = {"study": study_id, "limit": limit, "hours": max_gpu_hours}
        return [rows.to_run(row) for row in self._connection.execute(query, values)]

    def n_waiting(self, study_id: str, limit: int) -> int:
        """Return how many planned runs there are, counted up to a limit."""
        table = schema.runs
        here = (table.c.study_id == study_id) & (table.c.status == "planned")
        counted = select(table.c.position).where(here).limit(limit).subquery()
        query = select(func.count()).select_from(counted)
        return self._connection.execute(query).scalar_one()

    def expired(self, study_id: str, at: float, limit: int | None = None) -> list[StoredRun]:
        """Return held runs whose lease has run out."""
        values = {"study": study_id, "at": at, "limit": _ALL if limit is None else limit}
        return [rows.to_run(row) for row in self._connection.execute(_EXPIRED, values)]

    def stretched(self, study_id: str, at: float) -> list[StoredRun]:
        """Return held runs whose lease lasts on longer than it was given for.

        Then the clock was set back since, and the lease must not last longer for that.
        """
        values = {"study": study_id, "at": at}
        return [rows.to_run(row) for row in self._connection.execute(_STRETCHED, values)]

    def studies_with_expired(self, at: float) -> list[str]:
        """Return the names of studies in which `expired` or `stretched` finds something."""
        return list(self._connection.execute(_STUDIES_WITH_EXPIRED, {"at": at}).scalars())

    def has_candidate(self, study_id: str, key: str) -> bool:
        """Whether a run of that architecture and token count is there, abandoned ones aside."""
        values = {"study": study_id, "candidate": key}
        return bool(key) and self._connection.execute(_HAS_CANDIDATE, values).first() is not None

    def tallies(self, study_id: str) -> Tallies:
        """Return sums over a study."""
        found = self._connection.execute(_TALLIES, {"study": study_id}).scalar()
        if found is None:
            self.study(study_id)
        return Tallies(**(found or {}))

    def measurements(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[StoredMeasurement]:
        """Return measurements, in the order they were added."""
        table = schema.measurements
        query = (
            select(table)
            .where(table.c.study_id == study_id, table.c.position > after)
            .order_by(table.c.position)
        )
        return [rows.to_measurement(row) for row in self._of_study(study_id, query.limit(limit))]

    def measurement(self, study_id: str, measurement_id: str) -> StoredMeasurement | None:
        """Return one measurement, or None."""
        table = schema.measurements
        query = select(table).where(
            table.c.study_id == study_id, table.c.measurement_id == measurement_id
        )
        row = self._connection.execute(query).first()
        return None if row is None else rows.to_measurement(row)

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
        table = schema.events
        columns = [column for column in table.c if column.name != "changes"]
        query = select(*columns).where(table.c.study_id == study_id, table.c.seq > since)
        if kinds is not None:
            query = query.where(table.c.kind.in_(kinds))
        if run_id is not None:
            query = query.where(table.c.run_id == run_id)
        query = query.order_by(table.c.seq).limit(limit)
        return [rows.to_event(row) for row in self._of_study(study_id, query)]

    def has_events(self, study_id: str, *, since: int, kinds: Sequence[str]) -> bool:
        """Whether an event of these kinds is numbered above ``since``."""
        values = {"study": study_id, "since": since}
        return any(
            self._connection.execute(_HAS_EVENT, {**values, "kind": kind}).first() is not None
            for kind in kinds
        )

    def last_seq(self, study_id: str | None = None) -> int:
        """Return the number of the last event, of one study or of all; 0 when there is none."""
        query = select(func.max(schema.events.c.seq))
        if study_id is not None:
            query = query.where(schema.events.c.study_id == study_id)
        return self._connection.execute(query).scalar() or 0

    def document(self, study_id: str, name: str, *, version: int | None = None) -> Document:
        """Return a document, the latest version unless one is named."""
        table = schema.documents
        query = select(table).where(table.c.study_id == study_id, table.c.name == name)
        if version is not None:
            query = query.where(table.c.version == version)
        query = query.order_by(table.c.version.desc()).limit(1)
        if not (found := self._of_study(study_id, query)):
            wanted = name if version is None else f"{name} version {version}"
            raise NotFoundError(f"study {study_id!r} has no document {wanted!r}")
        return rows.to_document(found[0])

    def view(self, study_id: str, name: str) -> View:
        """Return a view."""
        table = schema.views
        query = select(table).where(table.c.study_id == study_id, table.c.name == name)
        if not (found := self._of_study(study_id, query)):
            raise NotFoundError(f"study {study_id!r} has no {name!r} yet")
        return rows.to_view(found[0])

    def view_based_on(self, study_id: str, name: str) -> int | None:
        """Return the last event that a view knows of; None while there is no such view."""
        table = schema.views
        query = select(table.c.based_on_seq).where(
            table.c.study_id == study_id, table.c.name == name
        )
        return self._connection.execute(query).scalar()

    def plan_items(
        self, study_id: str, *, limit: int | None = None, max_gpu_hours: float | None = None
    ) -> list[PlanItem]:
        """Return plan items by rank; those of unknown cost only where cost is no limit."""
        query = _ITEMS if max_gpu_hours is None else _ITEMS_WITHIN
        values = {"study": study_id, "limit": _ALL if limit is None else limit}
        found = self._connection.execute(query, {**values, "hours": max_gpu_hours})
        return [rows.to_plan_item(row) for row in found]

    def n_plan_items(self, study_id: str, limit: int = 2000) -> int:
        """Return how many plan items are left, counted up to a limit."""
        table = schema.plan_items
        counted = select(table.c.position).where(table.c.study_id == study_id).limit(limit)
        query = select(func.count()).select_from(counted.subquery())
        return self._connection.execute(query).scalar_one()

    def operation(self, operation_id: str) -> Operation:
        """Return one operation."""
        table = schema.operations
        query = select(table).where(table.c.operation_id == operation_id)
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFoundError(f"no operation {operation_id!r}")
        return rows.to_operation(row)

    def operations(
        self, study_id: str, *, after: int = 0, limit: int | None = None
    ) -> list[Operation]:
        """Return a study's operations, oldest first."""
        table = schema.operations
        query = (
            select(table)
            .where(table.c.study_id == study_id, table.c.position > after)
            .order_by(table.c.position)
        )
        return [rows.to_operation(row) for row in self._of_study(study_id, query.limit(limit))]

    def pending_operations(self, limit: int | None = None) -> list[Operation]:
        """Return operations of all studies that wait for a planner, oldest first."""
        table = schema.operations
        query = select(table).where(table.c.status == "pending").order_by(table.c.position)
        return [rows.to_operation(row) for row in self._all(query.limit(limit))]

    def pending_operation_ids(self) -> set[str]:
        """Return the names of all operations that wait for a planner."""
        table = schema.operations
        query = select(table.c.operation_id).where(table.c.status == "pending")
        return set(self._connection.execute(query).scalars())

    def tokens(self) -> list[Token]:
        """Return all tokens, oldest first."""
        return [
            rows.to_token(row)
            for row in self._all(select(schema.tokens).order_by(schema.tokens.c.position))
        ]

    def token_by_hash(self, secret_hash: str) -> Token | None:
        """Return the token with that secret, present or previous; None when there is none."""
        table = schema.tokens
        query = select(table).where(
            or_(table.c.secret_hash == secret_hash, table.c.previous_hash == secret_hash)
        )
        row = self._connection.execute(query).first()
        return None if row is None else rows.to_token(row)

    def _all(self, query: Select[Any]) -> Sequence[Any]:
        return self._connection.execute(query).all()

    def _of_study(self, study_id: str, query: Any) -> Sequence[Any]:
        """Run a query about a study; nothing found may mean that there is no such study."""
        found = self._connection.execute(query).all()
        if not found:
            self.study(study_id)
        return found
