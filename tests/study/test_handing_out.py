"""Runs from a plan that is kept ahead: each goes to one live worker, and none is forgotten."""

from threading import Thread

import pytest

from bayeslaw.errors import InvalidInputError, LeaseLostError, StateError
from bayeslaw.runs import JobResult, Run
from bayeslaw.space import Architecture
from bayeslaw.store import PlanItem, SqlStore, SteadyClock, replay
from bayeslaw.study.state import StudyState


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
    made = replay(tmp_path / "study.db")  # after every test: the events told it all
    assert made.is_equal, made.differences


@pytest.fixture
def state(store, clock):
    return StudyState.create(store, "s", {"seed": 0}, clock=clock)


def shape(d_ff):
    return Architecture(
        n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=d_ff, vocab_size=256
    )


def plan(store, *costs):
    items = [
        PlanItem(i, Run("planned", 1000, shape(128 + 32 * i), purpose="suggested"), cost)
        for i, cost in enumerate(costs)
    ]
    with store.changing("s") as change:
        change.replace_plan(items)


def names(entries):
    return [entry.run.run_id for entry in entries]


def done(run_id, loss_nats=2.5, seconds=360.0):
    return JobResult(run_id, "train", "done", finished=True, loss_nats=loss_nats, seconds=seconds)


def test_items_become_runs_by_rank_with_their_predicted_cost(state, store):
    plan(store, 0.3, 0.1, 0.2)
    first = state.suggest("w1", device="h100")
    rest = state.suggest("w2", count=5)
    assert names([*first, *rest]) == ["r000001", "r000002", "r000003"]
    assert [entry.run.cost_gpu_hours for entry in (*first, *rest)] == [0.3, 0.1, 0.2]
    assert [entry.run.architecture.d_ff for entry in (*first, *rest)] == [128, 160, 192]
    assert [entry.run for entry in first] == [state.run("r000001")]
    assert store.plan_items("s") == []
    assert state.events()[-3].payload == {
        "worker_id": "w1", "seconds": 300.0, "is_again": False, "device": "h100",
        "purpose": "suggested",
    }  # fmt: skip


def test_a_worker_is_topped_up_and_never_given_more_than_it_asks_for(state, store, clock):
    plan(store, 0.1, 0.1, 0.1)
    held = state.suggest("w1", count=2)
    clock.now += 10
    assert names(state.suggest("w1", count=1)) == names(held[:1])
    assert names(state.suggest("w1", count=3)) == [*names(held), "r000003"]
    assert len(state.runs()) == 3


def test_what_waits_comes_before_the_plan(state, store):
    plan(store, 0.1, 0.1)
    state.suggest("w1")
    state.requeue("r000001", "the node is drained", worker_id="w1")
    state.add_runs([Run("mine", 5)])
    assert names(state.suggest("w2", count=3)) == ["r000001", "mine", "r000002"]


def test_a_limit_on_cost_leaves_dear_runs_and_those_of_unknown_cost(state, store):
    plan(store, 5.0, None, 0.5)
    state.add_runs([Run("unknown", 5), Run("dear", 6, cost_gpu_hours=2.0)])
    (found,) = state.suggest("w1", count=5, max_gpu_hours=1.0)
    assert found.run.cost_gpu_hours == 0.5
    assert len(store.plan_items("s")) == 2


def test_an_item_that_some_run_has_already_been_is_dropped(state, store):
    plan(store, 0.1, 0.2)
    state.suggest("w1")
    plan(store, 0.1, 0.2)  # made before r000001 was known
    (found,) = state.suggest("w2")
    assert found.run.cost_gpu_hours == 0.2
    assert state.suggest("w3") == []


def test_what_was_abandoned_may_be_planned_again(state, store):
    plan(store, 0.1)
    state.suggest("w1")
    state.abandon("r000001", "the cluster is gone")
    plan(store, 0.1)
    assert names(state.suggest("w2")) == ["r000002"]


@pytest.mark.parametrize("status", ["paused", "closed"])
def test_a_study_that_is_not_active_hands_out_only_what_a_worker_has(state, store, status):
    plan(store, 0.1, 0.1)
    held = state.suggest("w1")
    state.set_state(status)
    assert names(state.suggest("w1", count=2)) == names(held)
    assert state.suggest("w2") == []
    state.complete(held[0].run.run_id, done(held[0].run.run_id), worker_id="w1")
    if status == "paused":
        state.set_state("active")
        assert len(state.suggest("w2")) == 1
    else:
        with pytest.raises(StateError, match="for good"):
            state.set_state("active")


def test_no_run_is_given_twice_to_workers_that_ask_at_once(state, store, tmp_path):
    plan(store, *[0.1] * 40)
    taken = []

    def work(worker):
        with SqlStore(tmp_path / "study.db") as own:
            mine = StudyState(own, "s", clock=Clock())
            while found := mine.suggest(worker):
                taken.append(found[0].run.architecture.d_ff)
                mine.complete(found[0].run.run_id, done(found[0].run.run_id), worker_id=worker)

    workers = [Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == [128 + 32 * i for i in range(40)]
    assert len(state.runs()) == 40


def test_a_late_result_is_taken_and_marked(state, store, clock):
    state.add_runs([Run("r1", 5), Run("r2", 5)])
    state.suggest("w1", count=2, lease_seconds=60)
    state.complete("r2", done("r2"), worker_id="w1")
    clock.now += 61
    state.suggest("w2", lease_seconds=60)
    state.complete("r1", done("r1"), worker_id="w1")
    assert [store.run("s", name).is_late for name in ("r1", "r2")] == [True, False]
    assert state.run("r1").status == "done"
    state.complete("r1", done("r1", loss_nats=2.4), worker_id="w2")
    assert store.run("s", "r1").extra_gpu_hours == pytest.approx(0.1)
    assert state.run("r1").loss_nats == 2.5


def test_an_abandoned_run_is_taken_up_again_with_all_its_tries(state, clock):
    state.add_runs([Run("r1", 5)])
    for _ in range(3):
        state.suggest("w1", lease_seconds=60)
        clock.now += 61
    assert state.suggest("w1") == []
    assert state.requeue("r1", "the network is back").status == "planned"
    for _ in range(2):
        assert names(state.suggest("w1", lease_seconds=60)) == ["r1"]
        clock.now += 61
    assert names(state.suggest("w1")) == ["r1"]


def test_only_the_holder_reports_fails_and_gives_back(state):
    state.add_runs([Run("r1", 5)])
    state.suggest("w1")
    points = [{"n_tokens": 3, "loss_nats": 4.0}]
    for ask in (
        lambda: state.report("r1", "w2", points),
        lambda: state.fail("r1", "NaN", worker_id="w2"),
        lambda: state.abandon("r1", "gone", worker_id="w2"),
        lambda: state.requeue("r1", "later", worker_id="w2"),
    ):
        with pytest.raises(LeaseLostError, match=r"held by 'w1', not by 'w2'"):
            ask()
    state.report("r1", "w1", points)
    assert state.events()[-1].payload == {"worker_id": "w1", "points": points}
    assert state.fail("r1", "NaN", worker_id="w1").status == "failed"


def test_a_clock_set_back_makes_no_lease_longer(state, store, clock):
    """The process was started again after the clock was set back by an hour."""
    state.add_runs([Run("r1", 5)])
    state.suggest("w1", lease_seconds=60)
    clock.now -= 3600
    assert state.expire_leases() == []
    assert store.run("s", "r1").expires_at == clock.now + 60
    clock.now += 61
    assert state.expire_leases() == ["r1"]


def test_a_steady_clock_does_not_follow_the_wall():
    wall, elapsed = iter([5000.0, 1.0, 9e9]), iter([10.0, 11.0, 12.5])
    clock = SteadyClock(wall=lambda: next(wall), elapsed=lambda: next(elapsed))
    assert [clock(), clock()] == [5001.0, 5002.5]


def test_at_least_one_run_is_asked_for(state):
    with pytest.raises(InvalidInputError, match="count"):
        state.suggest("w1", count=0)
