"""What only the SQL store does: files, schemas, settings."""

import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from bayeslaw.errors import InvalidInputError, StateError, UnavailableError
from bayeslaw.store import Event, SqlStore, schema
from bayeslaw.store.connect import VERSION_TABLE, open_engine


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a study 100%.db"


def tell(store):
    with store.changing("s") as change:
        change.record(Event("told", 1.0))


def test_a_file_is_opened_with_every_safety_on(path):
    engine = open_engine(path)
    with engine.connect() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    # synchronous 2 is FULL
    assert settings == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000,
    }  # fmt: skip


def test_path_text_and_url_name_the_same_store(path):
    with SqlStore(path) as store:
        store.create_study("s", {}, at=1.0)
    for address in (str(path), f"sqlite:///{path}"):
        with SqlStore(address) as store:
            assert [study.study_id for study in store.studies()] == ["s"]


def test_migrations_and_tables_agree(path):
    engine = open_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == schema.HEAD
    engine.dispose()


def test_the_head_we_know_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", "bayeslaw.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD


def test_the_tables_can_be_made_on_postgres():
    for table in schema.metadata.sorted_tables:
        sql = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert "BIGSERIAL" in sql


def test_a_newer_schema_is_refused_and_left_alone(path):
    SqlStore(path).close()
    with sqlite3.connect(path) as file:
        file.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    file.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"schema 9999.*newer bayeslaw"):
        SqlStore(path)
    assert path.read_bytes() == before


def test_an_upgrade_that_was_cut_short_is_done_again(path):
    """A file with nothing but the write-ahead setting is what a kill in the upgrade leaves."""
    file = sqlite3.connect(path)
    file.execute("PRAGMA journal_mode = WAL")
    file.close()
    with SqlStore(path) as store:
        assert store.studies() == []


def test_somebody_elses_database_is_refused(path):
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE recipes (name TEXT)")
    file.commit()
    file.close()
    with pytest.raises(InvalidInputError, match=r"not a bayeslaw store.*recipes"):
        SqlStore(path)


def test_a_file_that_is_no_database_is_refused(path):
    path.write_text("n_params,n_tokens,loss_nats\n" * 100)
    with pytest.raises(InvalidInputError, match="not an SQLite file"):
        SqlStore(path)
    assert path.read_text().startswith("n_params")


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_store_in_memory_is_refused(address):
    with pytest.raises(InvalidInputError, match="needs a file"):
        SqlStore(address)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match="no-such-folder does not exist"):
        SqlStore(tmp_path / "no-such-folder" / "study.db")


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(UnavailableError, match="unable to open"):
        SqlStore(tmp_path)


def test_an_unknown_database_or_driver_says_what_to_install():
    with pytest.raises(UnavailableError, match="no driver"):
        SqlStore("nosuchdatabase://host/name")


def test_a_store_that_stays_locked_says_so(path, monkeypatch):
    monkeypatch.setattr("bayeslaw.store.connect.BUSY_SECONDS", 0.05)
    with SqlStore(path) as store:
        store.create_study("s", {}, at=1.0)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert [study.study_id for study in store.studies()] == ["s"]  # readers never wait
        with pytest.raises(UnavailableError, match="another process has held it"):
            tell(store)
        other.execute("ROLLBACK")
        other.close()
        tell(store)


def test_processes_that_open_a_new_file_at_once_all_succeed(path):
    program = "import sys; from bayeslaw.store import SqlStore; SqlStore(sys.argv[1]).close()"
    openers = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    complaints = [opener.communicate()[1].decode() for opener in openers]
    assert complaints == [""] * 4


def test_the_store_loads_neither_torch_nor_jax_nor_pandas_nor_alembic(path):
    SqlStore(path).close()
    program = (
        "import sys\n"
        "from bayeslaw.store import SqlStore; from bayeslaw.study.state import StudyState\n"
        "import bayeslaw.executors\n"
        "SqlStore(sys.argv[1]).close()\n"
        "print([m for m in ('torch', 'jax', 'pandas', 'alembic') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
