"""All rows of a store made again from its events, and held against those it has."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, String, Table, and_, func, insert, select, update

from bayeslaw.store import schema
from bayeslaw.store.connect import explained, open_engine, writing
from bayeslaw.store.tallies import Tallies, count_all

# Table to the columns of its key within a study, and those that are state.
_STATE: Mapping[str, tuple[Table, tuple[str, ...], tuple[str, ...]]] = {
    name: (table, key, tuple(c.name for c in table.c if c.name not in {"position", "study_id", *key, *left}))
    for name, table, key, left in (
        ("studies", schema.studies, (), {"n_named", "tallies"}),
        ("runs", schema.runs, ("run_id",), set()),
        ("measurements", schema.measurements, ("measurement_id",), set()),
        ("documents", schema.documents, ("name", "version"), set()),
    )
}  # fmt: skip
_MOST_DIFFERENCES = 100


@dataclass(frozen=True)
class Replay:
    """Hold what came of a replay.

    Attributes:
        n_events: Events read [count].
        n_rows: Rows made from them, by table [count].
        differences: Where they differ from the store's rows, in words; at most a hundred.
    """

    n_events: int
    n_rows: dict[str, int]
    differences: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the events tell the whole state."""
        return not self.differences


def replay(url_or_path: str | Path, into: Path | None = None) -> Replay:
    """Make all state again from the events alone and compare it with the store's, row by row.

    Studies, runs, measurements and documents are state. Plans and views are not: they are
    computed again. Nor are operations, remembered answers and tokens, which are the service's.
    Nothing is changed. A store that is written to meanwhile is read at one moment.

    Args:
        url_or_path: Of the store.
        into: A file that does not exist yet, for the store that is made; a temporary one when
            left out. The events themselves go there too, so it can take the store's place.

    Raises:
        InvalidInputError: ``into`` is no place for a store.
        UnavailableError: The store cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = open_engine(Path(folder) / "replayed.db" if into is None else into)
        source = open_engine(url_or_path)
        try:
            with explained(source.url), source.connect() as before:
                if before.dialect.name == "postgresql":
                    before.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                with writing(target) as after:
                    n_events = _apply_all(before, after)
                    found = [*_differences(before, after), *_miscounts(before, after)]
                    n_rows = {name: _count(after, table) for name, (table, _, _) in _STATE.items()}
        finally:
            source.dispose()
            target.dispose()
    return Replay(n_events, n_rows, tuple(found))


def _apply_all(before: Connection, after: Connection) -> int:
    table = schema.events
    n_events = 0
    for row in _stream(before, select(table).order_by(table.c.seq)):
        changes = row.changes or []
        # A study's own row comes before the event that tells of it.
        for name, key, values in changes:
            _apply(after, row.study_id, name, key, values)
        after.execute(insert(table).values(**row._mapping))
        n_events += 1
    studies = schema.studies
    for (study_id,) in after.execute(select(studies.c.study_id)).all():
        tallies = count_all(after, study_id)
        values = {"tallies": tallies.to_dict(), "n_named": sum(tallies.runs.values())}
        after.execute(update(studies).where(studies.c.study_id == study_id).values(**values))
    return n_events


def _apply(
    connection: Connection, study_id: str, name: str, key: Any, values: dict[str, Any]
) -> None:
    table, columns, _ = _STATE[name]
    parts = [key] if len(columns) == 1 else list(key) if columns else []
    names = {"study_id": study_id, **dict(zip(columns, parts, strict=True))}
    here = and_(*(table.c[column] == value for column, value in names.items()))
    if connection.execute(update(table).where(here).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**names, **values))


def _differences(before: Connection, after: Connection) -> Iterator[str]:
    found = 0
    for name, (table, key, columns) in _STATE.items():
        names = ("study_id", *key)
        rows = [_in_order(connection, table, names) for connection in (before, after)]
        for difference in _compare(name, names, columns, *rows):
            yield difference
            found += 1
            if found == _MOST_DIFFERENCES:
                return


def _miscounts(before: Connection, after: Connection) -> Iterator[str]:
    """Hold the sums that the store kept against those of the rows that were made."""
    columns = (schema.studies.c.study_id, schema.studies.c.tallies)
    made = {study_id: Tallies(**sums) for study_id, sums in after.execute(select(*columns)).all()}
    for study_id, sums in before.execute(select(*columns)).all():
        kept, told = Tallies(**sums), made.get(study_id, Tallies())
        if not math.isclose(kept.spent_gpu_hours, told.spent_gpu_hours, rel_tol=1e-9, abs_tol=1e-9):
            yield f"study {study_id!r}: spent {kept.spent_gpu_hours} h, its rows {told.spent_gpu_hours} h"
        if replace(kept, spent_gpu_hours=0.0) != replace(told, spent_gpu_hours=0.0):
            yield f"study {study_id!r}: sums are {kept}, of its rows {told}"


def _compare(
    name: str,
    key: Sequence[str],
    columns: Sequence[str],
    before: Iterator[Any],
    after: Iterator[Any],
) -> Iterator[str]:
    """Walk two tables in the order of their keys, side by side."""
    stored, made = next(before, None), next(after, None)
    while stored is not None or made is not None:
        place = tuple(getattr(stored, column) for column in key) if stored is not None else None
        other = tuple(getattr(made, column) for column in key) if made is not None else None
        if other is None or (place is not None and place < other):
            yield f"{name} {place}: the store has it, no event tells of it"
            stored = next(before, None)
        elif place is None or other < place:
            yield f"{name} {other}: the events tell of it, the store has it not"
            made = next(after, None)
        else:
            for column in columns:
                if (is_ := getattr(stored, column)) != (told := getattr(made, column)):
                    yield f"{name} {place}: {column} is {is_!r}, the events tell {told!r}"
            stored, made = next(before, None), next(after, None)


def _in_order(connection: Connection, table: Table, names: Sequence[str]) -> Iterator[Any]:
    """Return rows in the order of their keys, as Python compares them, whatever the language."""
    order: list[Any] = [table.c[name] for name in names]
    if connection.dialect.name == "postgresql":
        order = [c.collate("C") if isinstance(c.type, String) else c for c in order]
    return _stream(connection, select(table).order_by(*order))


def _stream(connection: Connection, query: Any) -> Iterator[Any]:
    return iter(connection.execution_options(yield_per=1000).execute(query))


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
