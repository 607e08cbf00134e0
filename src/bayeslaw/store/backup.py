"""A store copied to a file while it is in use, and brought back."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, insert, select

from bayeslaw.errors import StateError
from bayeslaw.store import schema
from bayeslaw.store.connect import explained, open_engine, writing


def copy_store(source: str | Path, target: str | Path) -> dict[str, int]:
    """Copy everything in a store to an empty one, and return how many rows of each table.

    This is both backup (a database to a file) and restore (a file to a database), between SQLite
    and Postgres in any direction. The source may be in use: it is read at one moment. The target
    is written whole or not at all, and brought to the newest schema; a backup that an older
    bayeslaw made is restored like any other.

    Raises:
        StateError: The target has studies.
        InvalidInputError: One of them is not a store.
        UnavailableError: One of them cannot be reached.
    """
    old = open_engine(source)
    try:
        new = open_engine(target)
        try:
            with explained(old.url), old.connect() as reader:
                if reader.dialect.name == "postgresql":
                    reader.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                with explained(new.url), writing(new) as writer:
                    if writer.execute(select(schema.studies.c.position).limit(1)).first():
                        raise StateError(
                            f"{new.url.render_as_string()} has studies already; a store is copied "
                            f"into an empty one"
                        )
                    copied = _copy(reader, writer)
        finally:
            new.dispose()
    finally:
        old.dispose()
    if isinstance(target, Path) or "://" not in target:
        os.chmod(target, 0o600)
    return copied


def _copy(reader: Connection, writer: Connection) -> dict[str, int]:
    copied = {}
    for table in schema.metadata.sorted_tables:
        first = next(iter(table.primary_key))
        rows = reader.execution_options(yield_per=1000).execute(select(table).order_by(first))
        n_rows = 0
        for part in rows.partitions(1000):
            writer.execute(insert(table), [dict(row._mapping) for row in part])
            n_rows += len(part)
        copied[table.name] = n_rows
        if writer.dialect.name == "postgresql" and n_rows:
            # Rows came with their numbers, so the sequence does not know them.
            writer.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', '{first.name}'), "
                f"(SELECT max({first.name}) FROM {table.name}))"
            )
    return copied
