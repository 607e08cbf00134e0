import json
from collections import Counter
from dataclasses import asdict, replace
from threading import Thread

import pytest

from bayeslaw.errors import InvalidInputError, NotFoundError, StateError
from bayeslaw.runs import JobResult, Measurement, Run
from bayeslaw.space import Architecture, Workload
from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    with SqlStore(tmp_path / "study.db") as store:
        yield store


@pytest.fixture
def state(store, clock):
    return StudyState.create(store, "s", {"seed": 0}, clock=clock)


def planned(*names, **fields):
    return [Run(name, n_tokens=1000, architecture=SMALL, **fields) for name in names]


def done(run_id="r1", loss_nats=2.5, seconds=360.0):
    return JobResult(
        run_id, "train", "done", finished=True, loss_nats=loss_nats, seconds=seconds,
        curve=[{"step": 1, "tokens": 128, "loss_nats": 3.0}],
    )  # fmt: skip


def failed(run_id="r1", seconds=36.0):
    return JobResult(run_id, "train", "failed", reason="loss is NaN at step 3", seconds=seconds)


def measurement(tpot_ms=1.0):
    return Measurement(SMALL, Workload(), "cpu", "torch 2", 3.0, tpot_ms, 0.1, 0.1, 5)


def kinds(state, *leave_out):
    return [event.kind for event in state.events() if event.kind not in leave_out]


# Beginning and opening.


def test_a_study_is_created_once_and_opened_by_the_same_config(store):
    StudyState.create(store, "s", {"sizes": (1, 2)})
    assert StudyState.create(store, "s", {"sizes": [1, 2]}).config == {"sizes": [1, 2]}
    with pytest.raises(StateError, match="another config"):
        StudyState.create(store, "s", {"sizes": [1, 3]})


def test_a_study_that_is_not_there_cannot_be_opened(store):
    with pytest.raises(NotFoundError, match="nope"):
        StudyState(store, "nope")


# Adding.


def test_runs_are_added_all_or_none(state):
    state.add_runs(planned("r1"))
    with pytest.raises(StateError, match="r1"):
        state.add_runs(planned("r2", "r1"), documents={"plan": {"round": 1}})
    assert [run.run_id for run in state.runs()] == ["r1"]
    with pytest.raises(NotFoundError):
        state.document("plan")


def test_a_plan_is_written_in_one_stroke_with_its_runs(state):
    state.add_runs(planned("r1", "r2"), documents={"plan": {"round": 1}})
    assert state.document("plan").payload == {"round": 1}
    assert kinds(state) == ["study_created", "run_planned", "run_planned", "document_written"]


def test_only_planned_and_done_runs_are_added(state):
    (run,) = planned("r1")
    with pytest.raises(InvalidInputError, match="leased"):
        state.add_runs([run.advance("leased")])
    with pytest.raises(InvalidInputError, match="twice"):
        state.add_runs([run, run])


def test_imported_runs_are_evidence_and_cost_this_study_nothing(state):
    (run,) = planned("old", purpose="imported")
    state.add_runs([run.complete(loss_nats=2.0, cost_gpu_hours=1000.0)])
    assert state.runs()[0].is_evidence
    assert state.spent_gpu_hours() == 0
    assert state.lease("w", 60) is None


def test_a_measurement_added_twice_is_there_once(state):
    first = state.add_measurement(measurement(), cost_gpu_hours=0.5)
    assert state.add_measurement(measurement(), cost_gpu_hours=0.5) == first
    state.add_measurement(measurement(2.0), measurement_id="timing-2")
    assert state.measurements() == {first: measurement(), "timing-2": measurement(2.0)}
    assert state.spent_gpu_hours() == 0.5
    with pytest.raises(StateError, match="timing-2"):
        state.add_measurement(measurement(3.0), measurement_id="timing-2")


# Leasing.


def test_runs_are_handed_out_in_order_and_each_once(state):
    state.add_runs(planned("r2", "r1"))
    assert [state.lease(worker, 60).run_id for worker in ("w1", "w2")] == ["r2", "r1"]
    assert state.lease("w3", 60) is None
    assert [run.status for run in state.pending()] == ["leased", "leased"]


def test_a_worker_that_asks_again_gets_its_run_back_with_a_fresh_lease(state, clock):
    state.add_runs(planned("r1", "r2"))
    state.lease("w1", 60)
    clock.now += 50
    assert state.lease("w1", 60).run_id == "r1"
    clock.now += 50
    assert state.lease("w2", 60).run_id == "r2"
    assert state.lease("w1", 60).run_id == "r1"


def test_a_lease_that_runs_out_gives_the_run_to_somebody_else(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 59.9
    assert state.lease("w2", 60) is None
    clock.now += 0.1
    assert state.lease("w2", 60).run_id == "r1"
    with pytest.raises(StateError, match=r"held by 'w2'.*stop working"):
        state.heartbeat("r1", "w1", 60)


def test_a_heartbeat_renews_the_lease_and_tells_of_progress(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 50
    assert state.heartbeat("r1", "w1", 60, progress={"step": 7}).status == "running"
    clock.now += 50
    assert state.expire_leases() == []
    assert state.events()[-1].payload == {"worker_id": "w1", "progress": {"step": 7}}
    assert state.status()["leases"] == [
        {"run_id": "r1", "worker_id": "w1", "seconds_left": 10.0, "n_lost": 0}
    ]


def test_a_late_heartbeat_saves_a_lease_that_nobody_took_back(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 100
    state.heartbeat("r1", "w1", 60)
    assert state.expire_leases() == []


def test_a_run_lost_too_often_is_abandoned_with_the_reason(state, clock):
    state.add_runs(planned("r1", cost_gpu_hours=9.0))
    for worker in ("w1", "w2", "w3"):
        assert state.lease(worker, 60).run_id == "r1"
        clock.now += 61
    assert state.lease("w4", 60) is None
    run = state.run("r1")
    assert run.status == "abandoned"
    assert "ran out 3 times, last with worker 'w3'" in run.reason
    assert state.spent_gpu_hours() == 0  # the 9 h were a prediction
    assert Counter(kinds(state))["run_lost"] == 2


def test_a_run_given_back_in_good_order_is_not_counted_as_lost(state, clock):
    state.add_runs(planned("r1"))
    for _ in range(5):
        state.lease("w1", 60)
        state.requeue("r1", "the driver was stopped")
    assert state.requeue("r1", "again").status == "planned"
    assert state.lease("w2", 60).run_id == "r1"
    assert Counter(kinds(state))["run_requeued"] == 5


@pytest.mark.parametrize(("worker", "seconds"), [("", 60), ("w", 0), ("w", float("inf"))])
def test_a_lease_needs_a_name_and_a_time(state, worker, seconds):
    with pytest.raises(InvalidInputError, match="lease"):
        state.lease(worker, seconds)


def test_no_run_goes_to_two_workers_that_ask_at_once(state, tmp_path):
    state.add_runs(planned(*[f"r{i}" for i in range(40)]))
    taken = []

    def work(worker):
        with SqlStore(tmp_path / "study.db") as store:
            mine = StudyState(store, "s", clock=Clock())
            while (run := mine.lease(worker, 60)) is not None:
                taken.append(run.run_id)
                mine.complete(run.run_id, done(run.run_id), worker_id=worker)

    workers = [Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == sorted(f"r{i}" for i in range(40))
    assert Counter(kinds(state))["run_leased"] == 40


# Ending.


def test_a_done_run_holds_its_result_and_its_cost(state):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    run = state.complete("r1", done(), worker_id="w1")
    assert (run.status, run.loss_nats, run.cost_gpu_hours) == ("done", 2.5, 0.1)
    assert run.record["curve"] == done().curve
    assert state.run("r1") == run
    assert state.pending() == []
    assert state.status() == {
        "study_id": "s", "runs": {"done": 1}, "n_superseded": 0, "n_measurements": 0,
        "spent_gpu_hours": 0.1, "leases": [],
    }  # fmt: skip


def test_completing_twice_with_one_result_changes_nothing(state):
    state.add_runs(planned("r1"))
    first = state.complete("r1", done())
    before = state.events()
    assert state.complete("r1", done()) == first
    assert state.events() == before


def test_of_two_results_the_first_stands_and_the_other_is_kept_and_paid(state):
    state.add_runs(planned("r1"))
    state.complete("r1", done(loss_nats=2.5))
    second = done(loss_nats=2.4, seconds=720.0)
    for _ in range(2):
        assert state.complete("r1", second).loss_nats == 2.5
    ignored = [e for e in state.events() if e.kind == "run_result_ignored"]
    assert [e.payload["result"]["loss_nats"] for e in ignored] == [2.4]
    assert state.spent_gpu_hours() == pytest.approx(0.3)


def test_a_late_result_is_accepted(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 61
    state.lease("w2", 60)
    assert state.complete("r1", done(), worker_id="w1").status == "done"
    with pytest.raises(StateError, match="stop working"):
        state.heartbeat("r1", "w2", 60)


def test_a_late_result_is_accepted_for_a_run_given_up_for_lost(state, clock):
    state.add_runs(planned("r1"))
    for _ in range(3):
        state.lease("w1", 60)
        clock.now += 61
        state.expire_leases()
    assert state.run("r1").status == "abandoned"
    run = state.complete("r1", done(), worker_id="w1")
    assert (run.status, run.reason) == ("done", "")
    assert state.complete("r1", done(loss_nats=2.4)).loss_nats == 2.5


def test_a_late_failure_does_not_end_a_run_that_another_works_on(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 61
    state.lease("w2", 60)
    assert state.complete("r1", failed(), worker_id="w1").status == "leased"
    assert state.complete("r1", done(), worker_id="w2").status == "done"
    assert state.spent_gpu_hours() == pytest.approx(0.11)


def test_a_failed_result_fails_the_run_with_reason_and_cost(state):
    state.add_runs(planned("r1"))
    run = state.complete("r1", failed())
    assert (run.status, run.reason, run.cost_gpu_hours) == ("failed", "loss is NaN at step 3", 0.01)
    assert state.lease("w", 60) is None


def test_a_result_must_be_the_runs_own(state):
    state.add_runs(planned("r1"))
    with pytest.raises(InvalidInputError, match="result of 'r2'"):
        state.complete("r1", done("r2"))
    with pytest.raises(InvalidInputError, match="add_measurement"):
        state.complete("r1", JobResult("r1", "measure", "done", measurement=measurement()))
    with pytest.raises(InvalidInputError, match="loss_nats"):
        state.complete("r1", done(loss_nats=float("nan")))
    with pytest.raises(NotFoundError, match="r2"):
        state.complete("r2", done("r2"))
    assert state.run("r1").status == "planned"


@pytest.mark.parametrize("end", ["fail", "abandon", "stop"])
def test_a_run_is_ended_by_hand_with_reason_and_cost(state, end):
    state.add_runs(planned("r1", cost_gpu_hours=9.0))
    state.lease("w1", 60)
    with pytest.raises(InvalidInputError, match="reason"):
        getattr(state, end)("r1", "")
    run = getattr(state, end)("r1", "the budget is gone", cost_gpu_hours=0.5)
    assert getattr(state, end)("r1", "the budget is gone", cost_gpu_hours=0.5) == run
    assert run.status == {"fail": "failed", "abandon": "abandoned", "stop": "stopped"}[end]
    assert state.spent_gpu_hours() == 0.5
    # Of an abandoned run nobody knows better, so its result still counts.
    ends_as = "done" if end == "abandon" else run.status
    assert state.complete("r1", done()).status == ends_as
    with pytest.raises(InvalidInputError, match="at least 0"):
        getattr(state, end)("r1", "other", cost_gpu_hours=-1.0)


def test_a_done_run_never_changes_it_can_be_superseded(state):
    state.add_runs(planned("r1"))
    with pytest.raises(StateError, match="only a done run"):
        state.supersede("r1", "leaked")
    run = state.complete("r1", done())
    for change in (state.fail, state.stop, state.requeue):
        with pytest.raises(StateError, match="is done"):
            change("r1", "why not")
    retracted = state.supersede("r1", "the evaluation set leaked")
    assert retracted == replace(run, superseded="the evaluation set leaked")
    assert not state.run("r1").is_evidence
    assert state.status()["n_superseded"] == 1
    assert state.spent_gpu_hours() == run.cost_gpu_hours


# Telling.


def test_reading_changes_nothing(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    clock.now += 100
    before = state.events()
    for read in (state.runs, state.pending, state.status, state.measurements, state.events):
        read()
    assert state.events() == before
    assert state.run("r1").status == "leased"


def test_events_tell_the_whole_story_in_json(state, clock):
    state.add_runs(planned("r1"))
    state.lease("w1", 60)
    state.heartbeat("r1", "w1", 60)
    clock.now += 61
    state.lease("w2", 60)
    state.complete("r1", done(), worker_id="w2")
    state.supersede("r1", "leaked")
    assert kinds(state) == [
        "study_created", "run_planned", "run_leased", "run_heartbeat", "run_lost", "run_leased",
        "run_done", "run_superseded",
    ]  # fmt: skip
    json.dumps([asdict(event) for event in state.events()])
    assert state.events(since=state.events()[-2].seq) == state.events()[-1:]
    json.dumps(state.status())


def test_another_process_sees_the_same_study(state, tmp_path, clock):
    state.add_runs(planned("r1"))
    with SqlStore(tmp_path / "study.db") as store:
        other = StudyState(store, "s", clock=clock)
        assert other.lease("w1", 60).run_id == "r1"
    assert state.lease("w2", 60) is None
