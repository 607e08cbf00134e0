"""Stores that an older bayeslaw wrote, with studies in them, are opened, and nothing is lost."""

import json
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

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


@pytest.fixture
def old_store(tmp_path):
    """A file as the first schema left it."""
    path = tmp_path / "study.db"
    _upgrade_to("0001", path)
    file = sqlite3.connect(path)
    file.execute(
        "INSERT INTO studies (study_id, config, created_at) VALUES ('s', '{\"a\": 1}', 1.5)"
    )
    for name, run in RUNS.items():
        leased = ("w", 10.0, 20.0) if name == "r2" else ("", None, None)
        file.execute(
            "INSERT INTO runs (study_id, run_id, status, payload, version, holder, leased_at, "
            "expires_at, n_lost) VALUES ('s', ?, ?, ?, 4, ?, ?, ?, ?)",
            (name, run.status, json.dumps(run.to_dict()), *leased, 3 if name == "r4" else 0),
        )
    file.execute(
        "INSERT INTO measurements (study_id, measurement_id, cost_gpu_hours, payload) "
        "VALUES ('s', 'm1', 0.25, ?)",
        (json.dumps(TIMED.to_dict()),),
    )
    file.execute(
        "INSERT INTO documents (study_id, name, version, at, payload) "
        "VALUES ('s', 'plan', 1, 2.0, '[1]'), ('s', 'plan', 2, 3.0, '[2]')"
    )
    ignored = {"worker_id": "", "cost_gpu_hours": 0.125, "result_hash": "x", "result": {}}
    for kind, run_id, payload in (
        ("study_created", "", {}), ("run_result_ignored", "r1", ignored),
    ):  # fmt: skip
        file.execute(
            "INSERT INTO events (study_id, at, kind, run_id, payload) VALUES ('s', 1.5, ?, ?, ?)",
            (kind, run_id, json.dumps(payload)),
        )
    file.commit()
    file.close()
    return path


def _upgrade_to(revision, path):
    from sqlalchemy import create_engine, event

    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    config = Config()
    folder = Path(bayeslaw.store.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


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
    with store.reading() as reader:
        assert reader.spent_gpu_hours("s") == pytest.approx(0.5 + 0.25 + 0.125)
        assert reader.n_superseded("s") == 1
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


def test_an_upgrade_that_fails_leaves_the_old_store_as_it_was(old_store):
    file = sqlite3.connect(old_store)
    file.execute("UPDATE runs SET payload = '{\"broken\": 1}' WHERE run_id = 'r3'")
    file.commit()
    before = list(file.iterdump())
    with pytest.raises(KeyError):
        SqlStore(old_store)
    assert list(file.iterdump()) == before
    assert file.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [("0001",)]
    file.close()
