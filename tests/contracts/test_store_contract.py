"""What every store must do; a new backend joins by a line in ``BACKENDS``."""

import threading
import uuid

import pytest

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Workload
from bayeslaw.store import (
    Answer,
    Event,
    Operation,
    PlanItem,
    SqlStore,
    StoredMeasurement,
    StoredRun,
    Token,
    candidate_key,
    copy_store,
    replay,
)

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


@pytest.fixture(params=BACKENDS)
def store_address(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return tmp_path / "study.db"


@pytest.fixture
def open_store(store_address):
    """Open the same database, as often as asked."""
    opened = []

    def open_again():
        opened.append(SqlStore(store_address))
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


def commit(store, study, events, *, runs=(), measurements=(), documents=()):
    """Write all of it in one transaction, each with the first event; return the last number."""
    first, *more = events
    with store.changing(study) as change:
        for entry in runs:
            change.put_run(entry, first)
        for entry in measurements:
            change.add_measurement(entry, first)
        for name, payload in dict(documents).items():
            change.put_document(name, payload, first)
        if not (runs or measurements or documents):
            more = events
        for told in more:
            change.record(told)
    return store.last_seq(study)


def measurement(tpot_ms=1.0):
    return Measurement(SMALL, Workload(), "cpu", "torch 2", 3.0, tpot_ms, 0.1, 0.1, 5)


def test_a_study_keeps_its_config_and_tells_of_its_creation(store, study):
    assert study in [entry.study_id for entry in store.studies()]
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
        lambda: commit(store, "nope", [event()]),
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
    commit(store, study, [event()], runs=[stored], measurements=[timed], documents={"plan": plan})
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
    commit(store, study, [event()], runs=[StoredRun(Run(name, n_tokens=1)) for name in names])
    first = store.run(study, "b")
    leased = StoredRun(first.run.advance("leased"), version=first.version, holder="w")
    commit(store, study, [event()], runs=[leased])
    assert [entry.run.run_id for entry in store.runs(study)] == names
    assert [e.run.run_id for e in store.runs(study, statuses=["planned"])] == ["a", "c"]
    assert store.run(study, "b").version == 2


def test_a_missing_run_or_document_is_named(store, study):
    with pytest.raises(NotFoundError, match="r9"):
        store.run(study, "r9")
    with pytest.raises(NotFoundError, match="plan"):
        store.document(study, "plan")
    commit(store, study, [event()], documents={"plan": 1})
    with pytest.raises(NotFoundError, match="plan version 2"):
        store.document(study, "plan", version=2)


def test_of_two_updates_of_one_version_the_second_is_refused(store, study, open_store):
    commit(store, study, [event()], runs=[StoredRun(Run("r1", n_tokens=1))])
    read = store.run(study, "r1")
    change = StoredRun(read.run.advance("leased"), version=read.version, holder="w1")
    commit(store, study, [event()], runs=[change])
    rival = StoredRun(read.run.advance("leased"), version=read.version, holder="w2")
    with pytest.raises(StateError, match="read it again"):
        commit(open_store(), study, [event()], runs=[rival])
    assert store.run(study, "r1").holder == "w1"


def test_a_name_is_given_once(store, study):
    run, timed = StoredRun(Run("r1", n_tokens=1)), StoredMeasurement("m1", measurement())
    commit(store, study, [event()], runs=[run], measurements=[timed])
    with pytest.raises(StateError, match="r1"):
        commit(store, study, [event()], runs=[run])
    with pytest.raises(StateError, match="m1"):
        commit(store, study, [event()], measurements=[timed])


def test_a_refused_change_leaves_nothing_behind(store, study):
    commit(store, study, [event()], runs=[StoredRun(Run("r1", n_tokens=1))])
    before = store.events(study)
    with pytest.raises(StateError):
        commit(
            store,
            study,
            [event("never")],
            runs=[StoredRun(Run("r2", n_tokens=1)), StoredRun(Run("r1", n_tokens=2))],
        )
    with pytest.raises(InvalidInputError):
        commit(
            store,
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
        commit(store, study, [event()], documents={"plan": {"x": payload}})


def test_documents_keep_every_version(store, study):
    for number in (1, 2, 3):
        commit(store, study, [event()], documents={"plan": {"round": number}, "other": number})
    assert store.document(study, "plan").payload == {"round": 3}
    assert store.document(study, "plan", version=2).payload == {"round": 2}


def test_events_are_numbered_upwards_and_read_on_from_where_one_was(store, study):
    last = commit(store, study, [event("a"), event("b", run_id="r1", payload={"x": 1})])
    events = store.events(study)
    assert [e.kind for e in events] == ["study_created", "a", "b"]
    assert sorted({e.seq for e in events}) == [e.seq for e in events]
    assert events[-1].seq == last
    commit(store, study, [event("c")])
    assert [e.kind for e in store.events(study, since=last)] == ["c"]
    assert [e.kind for e in store.events(study, kinds=["a", "c"])] == ["a", "c"]
    assert [e.kind for e in store.events(study, limit=2)] == ["study_created", "a"]


def test_studies_do_not_see_each_other(store, study):
    other = study + "-other"
    store.create_study(other, {}, at=3.0)
    for name in (study, other):
        commit(store, name, [event(name)], runs=[StoredRun(Run("r1", n_tokens=1))])
    assert [e.kind for e in store.events(other)] == ["study_created", other]
    assert len(store.runs(study)) == 1


def test_writers_at_the_same_time_lose_nothing(study, open_store):
    stores = [open_store() for _ in range(4)]
    errors = []

    def write(worker):
        try:
            for number in range(25):
                run = Run(f"{worker}-{number}", n_tokens=1)
                commit(stores[worker], study, [event(run_id=run.run_id)], runs=[StoredRun(run)])
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


def test_a_part_that_fails_is_undone_alone(store, study, open_store):
    with store.transaction() as outer:
        outer.change(study).record(event("before"))
        with pytest.raises(StateError, match="broken"), store.transaction() as part:
            change = part.change(study)
            change.put_run(StoredRun(Run("r1", n_tokens=1)), event("never"))
            assert change.run("r1").version == 1
            raise StateError("broken")
        with pytest.raises(NotFoundError):
            outer.change(study).run("r1")
        with store.changing(study) as change:
            change.put_run(StoredRun(Run("r2", n_tokens=1)), event("after"))
        assert [entry.run.run_id for entry in store.runs(study)] == ["r2"]
        assert open_store().runs(study) == []  # nothing is kept before the outer block is left
    assert [entry.run.run_id for entry in open_store().runs(study)] == ["r2"]
    assert [e.kind for e in store.events(study)] == ["study_created", "before", "after"]


def test_what_fails_at_the_end_was_never_there(store, study, open_store):
    with pytest.raises(ZeroDivisionError), store.transaction() as outer:
        outer.change(study).put_run(StoredRun(Run("r1", n_tokens=1)), event())
        raise ZeroDivisionError
    assert open_store().runs(study) == []
    assert store.last_seq(study) == store.events(study)[-1].seq


def test_runs_are_found_by_status_holder_cost_and_candidate(store, study):
    cheap = Run("r1", n_tokens=1, cost_gpu_hours=1.0)
    dear = Run("r2", n_tokens=1, architecture=SMALL, cost_gpu_hours=9.0)
    held = StoredRun(
        Run("r3", n_tokens=1, status="leased"), holder="w", expires_at=5.0, lease_seconds=2.0
    )
    with store.changing(study) as change:
        change.add_runs([(StoredRun(run), event()) for run in (cheap, dear)])
        change.put_run(held, event())
        assert [e.run.run_id for e in change.waiting(9)] == ["r1", "r2"]
        assert [e.run.run_id for e in change.waiting(9, max_gpu_hours=2.0)] == ["r1"]
        assert [e.run.run_id for e in change.held_by("w")] == ["r3"]
        assert change.held_by("") == []
        assert change.has_candidate(candidate_key(dear))
        assert not change.has_candidate(candidate_key(cheap))
    assert store.tallies(study).runs == {"planned": 2, "leased": 1}
    with store.reading() as reader:
        found = [reader.expired(study, at) for at in (4.9, 5.0, 1.9)]
        assert [[e.run.run_id for e in part] for part in found] == [[], ["r3"], []]
        # At 1.9 it lasts longer than it was given for, so the clock was set back.
        found = [reader.stretched(study, at) for at in (4.9, 2.1, 1.9)]
        assert [[e.run.run_id for e in part] for part in found] == [[], [], ["r3"]]
        assert reader.studies_with_expired(5.0) == [study]
        assert [e.run.run_id for e in reader.runs(study, after=reader.run(study, "r1").position)] == [
            "r2", "r3",
        ]  # fmt: skip


def test_new_names_are_never_given_twice(store, study):
    commit(store, study, [event()], runs=[StoredRun(Run("r000002", n_tokens=1))])
    with store.changing(study) as change:
        first = [change.new_name(), change.new_name()]
    with store.changing(study) as change:
        assert [*first, change.new_name()] == ["r000001", "r000003", "r000004"]


def test_a_plan_is_taken_from_the_front_and_replaced_whole(store, study):
    def items(*costs):
        return [PlanItem(i, Run("planned", n_tokens=i + 1), cost) for i, cost in enumerate(costs)]

    with store.changing(study) as change:
        change.replace_plan(items(1.0, None, 3.0))
        change.drop_item(0)
    assert [item.rank for item in store.plan_items(study)] == [1, 2]
    assert store.plan_items(study)[0].run == Run("planned", n_tokens=2)
    with store.changing(study) as change:
        assert [item.rank for item in change.next_items(5, max_gpu_hours=3.0)] == [2]
        change.replace_plan(items(2.0))
    assert [(item.rank, item.cost_gpu_hours) for item in store.plan_items(study)] == [(0, 2.0)]


def test_only_the_latest_view_is_kept(store, study):
    with pytest.raises(NotFoundError, match="'plan' yet"):
        store.view(study, "plan")
    for seq in (3, 7):
        with store.changing(study) as change:
            change.put_view("plan", {"seq": seq}, based_on_seq=seq, at=2.0 + seq)
    view = store.view(study, "plan")
    assert (view.payload, view.based_on_seq, view.at) == ({"seq": 7}, 7, 9.0)


def test_an_operation_ends_once(store, study):
    name = f"op-{study}"
    with store.transaction() as tx:
        tx.add_operation(Operation(name, study, "suggest", {"count": 1}, created_at=1.0))
    assert [o.operation_id for o in store.pending_operations() if o.study_id == study] == [name]
    with store.transaction() as tx:
        assert [tx.try_operation(name), tx.try_operation(name)] == [1, 2]
        assert tx.finish_operation(name, result={"runs": []}, at=2.0)
        assert not tx.finish_operation(name, error={"code": "late"}, at=3.0)
    ended = store.operation(name)
    assert (ended.status, ended.result, ended.error, ended.finished_at) == (
        "done", {"runs": []}, None, 2.0,
    )  # fmt: skip
    assert ended in store.operations(study)
    with pytest.raises(NotFoundError, match="no operation"):
        store.operation("nope")


def test_answers_are_kept_by_token_and_key_until_they_are_forgotten(store):
    key, answer = uuid.uuid4().hex, Answer("print", 201, {"ETag": '"1"'}, {"x": [1, None]})
    with store.transaction() as tx:
        assert tx.answer("t", key) is None
        tx.remember("t", key, answer, at=100.0)
        assert tx.answer("t", key) == answer
        assert tx.answer("other", key) is None
    with store.transaction() as tx:
        assert tx.forget_answers(100.0) == 0
        assert tx.forget_answers(100.1) >= 1
        assert tx.answer("t", key) is None


def test_a_token_is_found_by_its_present_and_its_previous_secret(store):
    name = uuid.uuid4().hex
    token = Token(name, "lab", name + "new", ("read", "plan"), 1.0, None, None, name + "old", 9.0)
    with store.transaction() as tx:
        tx.put_token(Token(name, "lab", name + "old", ("read",), 1.0))
        tx.put_token(token)
    assert store.token_by_hash(name + "new") == token
    assert store.token_by_hash(name + "old") == token
    assert store.token_by_hash(name) is None
    assert token in store.tokens()


def test_the_events_alone_make_the_same_state_and_a_copy_is_one(
    store, study, store_address, tmp_path
):
    def write(number):
        run, timed = Run(f"r{number}", n_tokens=1), StoredMeasurement(f"m{number}", measurement())
        documents = {"plan": number}
        commit(
            store,
            study,
            [event()],
            runs=[StoredRun(run)],
            measurements=[timed],
            documents=documents,
        )

    write(1)
    entry = store.run(study, "r1")
    leased = StoredRun(entry.run.advance("leased"), version=1, holder="w", expires_at=0.1 + 0.2)
    commit(store, study, [event()], runs=[leased])
    with store.changing(study) as change:
        change.set_state("paused", event())
    made = replay(store_address, tmp_path / "made.db")
    assert made.is_equal, made.differences
    copied = copy_store(store_address, tmp_path / "copy.db")
    assert copied["runs"] == made.n_rows["runs"]
    for name in ("made.db", "copy.db"):
        with SqlStore(tmp_path / name) as other:
            assert other.runs(study) == store.runs(study)
            assert other.events(study) == store.events(study)
            assert other.measurements(study) == store.measurements(study)
            assert other.study(study).state == "paused"
            with other.changing(study) as change:
                change.record(event("goes on"))
            assert other.last_seq() > store.last_seq()
    write(2)


def test_a_row_that_no_event_tells_of_is_found(store, study, store_address):
    commit(store, study, [event()], runs=[StoredRun(Run("r1", n_tokens=1))])
    with store.changing(study) as change:
        change._connection.exec_driver_sql(
            f"UPDATE runs SET holder = 'thief' WHERE study_id = '{study}'"
        )
    found = replay(store_address).differences
    assert len(found) == 1
    assert "holder is 'thief', the events tell ''" in found[0]
    with store.changing(study) as change:  # other tests share the Postgres
        change._connection.exec_driver_sql(
            f"UPDATE runs SET holder = '' WHERE study_id = '{study}'"
        )


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_some_database_would_not_keep_is_refused(store, study, text):
    with pytest.raises(InvalidInputError, match="not JSON"):
        commit(store, study, [event(payload={"text": text})])
    commit(store, study, [event(payload={"text": "the text \\u0000"})])


def test_closing_twice_is_harmless(store):
    store.close()
    store.close()
