"""Stores that an older bayeslaw wrote, with studies in them, are opened, and nothing is lost."""

import json
import uuid
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url

import bayeslaw.store
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Workload
from bayeslaw.store import SqlStore, copy_store, replay
from bayeslaw.store.connect import VERSION_TABLE, _begin_sqlite, _set_up_sqlite

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
TIMED = Measurement(SMALL, Workload(), "cpu", "torch 2", 3.0, 1.0, 0.1, 0.1, 5)
RUNS = {
    "r1": Run("r1", 1000, SMALL).complete(loss_nats=2.5, cost_gpu_hours=0.5),
    "r2": Run("r2", 1000, SMALL, cost_gpu_hours=0.3).advance("leased"),
    "r3": Run("r3", 1000).advance("failed", reason="loss is NaN"),
    "r4": Run("r4", 1000).advance("failed", reason="its lease ran out 3 times"),
    "r5": Run("r5", 7, purpose="imported")
    .complete(loss_nats=1.0, cost_gpu_hours=9.0)
    .superseded_for("leaked"),
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request, tmp_path):
    """A database that no bayeslaw has opened yet."""
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'study.db'}")
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        server = request.getfixturevalue("postgres_url")
        name = f"old_{uuid.uuid4().hex[:8]}"
        address = make_url(server).set(drivername="postgresql+psycopg")
        admin = create_engine(address, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        engine = create_engine(address.set(database=name))
    yield engine
    engine.dispose()


@pytest.fixture
def old_store(engine):
    """The address of a store as the first schema left it, with a study in it."""
    config = Config()
    folder = Path(bayeslaw.store.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    with engine.begin() as connection:
        _fill(connection)
    return engine.url.render_as_string(hide_password=False)


def _fill(connection):
    def insert(table, **values):
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)

    insert("studies", study_id="s", config='{"a": 1}', created_at=1.5)
    for name, run in RUNS.items():
        leased = name == "r2"
        insert(
            "runs", study_id="s", run_id=name, status=run.status, payload=json.dumps(run.to_dict()),
            version=4, holder="w" if leased else "", leased_at=10.0 if leased else None,
            expires_at=20.0 if leased else None, n_lost=3 if name == "r4" else 0,
        )  # fmt: skip
    timed = json.dumps(TIMED.to_dict())
    insert("measurements", study_id="s", measurement_id="m1", cost_gpu_hours=0.25, payload=timed)
    for version in (1, 2):
        insert(
            "documents", study_id="s", name="plan", version=version, at=1.0 + version,
            payload=f"[{version}]",
        )  # fmt: skip
    ignored = {"worker_id": "", "cost_gpu_hours": 0.125, "result_hash": "x", "result": {}}
    for kind, run_id, payload in (
        ("study_created", "", {}), ("run_result_ignored", "r1", ignored),
    ):  # fmt: skip
        insert(
            "events", study_id="s", at=1.5, kind=kind, run_id=run_id, payload=json.dumps(payload)
        )


def _check_everything(store):
    found = {entry.run.run_id: entry for entry in store.runs("s")}
    assert list(found) == list(RUNS)
    for name, run in RUNS.items():
        if name != "r4":
            assert found[name].run == run
    # What was given up for lost is not what failed.
    assert (found["r4"].run.status, found["r4"].n_lost) == ("abandoned", 3)
    assert (found["r2"].holder, found["r2"].expires_at, found["r2"].version) == ("w", 20.0, 4)
    assert store.study("s").config == {"a": 1}
    assert [entry.measurement for entry in store.measurements("s")] == [TIMED]
    assert store.document("s", "plan").payload == [2]
    assert store.document("s", "plan", version=1).payload == [1]
    tallies = store.tallies("s")
    assert tallies.spent_gpu_hours == pytest.approx(0.5 + 0.25 + 0.125)
    assert (tallies.n_superseded, tallies.n_measurements) == (1, 1)
    assert tallies.runs == {"done": 2, "leased": 1, "failed": 1, "abandoned": 1}
    assert [e.kind for e in store.events("s")][:2] == ["study_created", "run_result_ignored"]


def test_a_store_of_the_first_schema_is_upgraded_with_all_it_holds(old_store):
    with SqlStore(old_store) as store:
        _check_everything(store)
    made = replay(old_store)
    assert made.is_equal, made.differences


def test_a_backup_of_the_first_schema_is_restored(old_store, tmp_path):
    copy_store(old_store, tmp_path / "restored.db")
    with SqlStore(tmp_path / "restored.db") as store:
        _check_everything(store)


def test_an_upgrade_that_fails_leaves_the_old_store_as_it_was(old_store, engine):
    def look():
        with engine.connect() as connection:
            tables = ("runs", "events", VERSION_TABLE)
            return [connection.execute(text(f"SELECT * FROM {t}")).all() for t in tables]

    with engine.begin() as connection:
        connection.execute(text("UPDATE runs SET payload = '{\"broken\": 1}' WHERE run_id = 'r3'"))
    before = look()
    with pytest.raises(KeyError):
        SqlStore(old_store)
    assert look() == before
    assert before[-1] == [("0001",)]
