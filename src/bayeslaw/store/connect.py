"""Opening a database: connections that keep what they acknowledge, at the newest schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    PendingRollbackError,
)

from bayeslaw.errors import InvalidInputError, StateError, UnavailableError
from bayeslaw.store import schema

VERSION_TABLE = "bayeslaw_version"
BUSY_SECONDS = 30.0
# Any number will do, as long as every bayeslaw takes the same one.
_POSTGRES_LOCK = 0x6261796573


def open_engine(url_or_path: str | Path) -> Engine:
    """Return an engine on a database that is reachable and at the newest schema.

    Raises:
        InvalidInputError: The address makes no sense, or the file is not a bayeslaw store.
        StateError: A newer bayeslaw wrote it.
        UnavailableError: It cannot be reached or written, or its driver is not installed.
    """
    url = _url(url_or_path)
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise UnavailableError(
            f"no driver for {url.drivername!r} here ({error}); for Postgres install "
            f"'bayeslaw[postgres]'"
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with explained(url):
            _bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn the database's own errors into ours, with what to do about them."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig)
        if "locked" in reason:
            reason += f"; another process has held it for over {BUSY_SECONDS:.0f} s"
        raise UnavailableError(f"cannot use the store {_name(url)}: {reason}") from error
    except PendingRollbackError as error:
        raise UnavailableError(f"the connection to the store {_name(url)} was lost") from error
    except DBAPIError as error:
        if "not a database" in str(error.orig):
            raise InvalidInputError(f"{_name(url)} is not an SQLite file") from error
        if error.connection_invalidated:
            raise UnavailableError(f"the store {_name(url)} hung up: {error.orig}") from error
        raise


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that may write, from its start: it cannot fail halfway for a lock."""
    with engine.connect().execution_options(bayeslaw_writes=True) as connection:
        with connection.begin():
            yield connection


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, str) and "://" in url_or_path:
        try:
            url = make_url(url_or_path)
        except ArgumentError as error:
            raise InvalidInputError(f"not a database address: {error}") from error
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
    else:
        url = URL.create("sqlite", database=str(url_or_path))
    if url.get_backend_name() != "sqlite":
        return url
    if url.database in (None, "", ":memory:"):
        raise InvalidInputError("a store needs a file: a study in memory dies with its process")
    path = Path(url.database).absolute()
    if not path.parent.is_dir():
        raise InvalidInputError(f"the folder {path.parent} does not exist; create it first")
    return url.set(database=str(path))


def _name(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string()


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # We say BEGIN ourselves (`_begin_sqlite`); Python's driver would say it late or not at all.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    # A file that does not want WAL (a network drive, say) would lose our guarantees in silence.
    try:
        mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    except sqlite3.OperationalError as error:
        cursor.close()
        connection.close()
        raise UnavailableError(f"cannot open the store: {error}") from error
    if mode != "wal":
        connection.close()
        raise UnavailableError(
            f"the store's file system does not support SQLite's write-ahead log (it offers "
            f"{mode!r}); put the file on a local disk"
        )
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can find that it may not; IMMEDIATE asks
    # for the write lock at once, and waits for it.
    writes = connection.get_execution_options().get("bayeslaw_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine) -> None:
    with engine.connect() as connection:
        if _revision(connection) == schema.HEAD:
            return
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})"))
        # Another process may have been faster.
        revision = _revision(connection)
        if revision != schema.HEAD:
            _check_can_upgrade(connection, revision)
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def _check_can_upgrade(connection: Connection, revision: str | None) -> None:
    name = _name(connection.engine.url)
    if revision is not None and revision > schema.HEAD:
        raise StateError(
            f"the store {name} has schema {revision}, this bayeslaw knows up to {schema.HEAD}: "
            f"a newer bayeslaw wrote it; install that one, nothing was changed"
        )
    tables = set(inspect(connection).get_table_names())
    foreign = (
        tables if connection.dialect.name == "sqlite" else tables & set(schema.metadata.tables)
    )
    if revision is None and foreign:
        raise InvalidInputError(
            f"{name} is not a bayeslaw store: it has tables {sorted(foreign)}; name another file "
            f"(or another Postgres schema)"
        )


def _upgrade(connection: Connection) -> None:
    # Imported here: a store that is up to date never pays for alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
