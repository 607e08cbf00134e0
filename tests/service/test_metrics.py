import os
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bayeslaw.runs import JobResult, Run
from bayeslaw.service.app import create_app
from bayeslaw.service.metrics import Metrics
from bayeslaw.space import Architecture
from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


class World:
    """What a monitor sees, afresh each time."""

    def __init__(self, store, clock):
        self.planner = {"is_alive": True, "detail": "", "restarts": 2, "pids": [os.getpid(), 2**22]}
        self.app = create_app(store, clock=clock, planner_state=lambda: self.planner)
        self.store, self.clock = store, clock

    def read(self):
        text = Metrics(self.app.state.parts).text().decode()
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def study(self, name="s", n_runs=1):
        state = StudyState.create(self.store, name, {}, clock=self.clock)
        state.add_runs(
            Run(f"r{i}", n_tokens=1000 + i, architecture=SMALL, status="planned")
            for i in range(n_runs)
        )
        return state

    def plan(self, name="s", **planner):
        with self.store.changing(name) as change:
            seq = self.store.last_seq(name)
            change.put_view("plan", {}, based_on_seq=seq, at=self.clock())
            payload = {"planner": planner}
            change.put_view("diagnostics", payload, based_on_seq=seq, at=self.clock())


@pytest.fixture
def world(store, clock):
    world = World(store, clock)
    yield world
    world.app.state.writer.close()
    world.app.state.reads.close()
    world.app.state.authenticator.close()


def test_runs_are_counted_by_status(world):
    world.study(n_runs=3).suggest("w", count=2)
    seen = world.read()
    assert seen["bayeslaw_runs", "leased", "s"] == 2
    assert seen["bayeslaw_runs", "planned", "s"] == 1
    assert seen["bayeslaw_store_up",] == 1


def test_a_plan_lags_from_the_first_result_that_it_does_not_know(world):
    state = world.study(n_runs=2)
    state.suggest("w", count=2)
    world.plan(refits=3, fit_s=7.5, last_error=None)
    world.clock.now += 100
    seen = world.read()
    assert seen["bayeslaw_plan_age_seconds", "s"] == 100
    assert seen["bayeslaw_plan_lag_seconds", "s"] == 0
    assert seen["bayeslaw_fit_seconds", "s"] == 7.5 and seen["bayeslaw_refits", "s"] == 3
    for run_id in ("r0", "r1"):
        result = JobResult(run_id, "train", "done", finished=True, loss_nats=2.5, seconds=1.0)
        state.complete(run_id, result, worker_id="w")
        world.clock.now += 30
    assert world.read()["bayeslaw_plan_lag_seconds", "s"] == 60
    world.plan(last_error={"code": "planner-fault"})
    seen = world.read()
    assert seen["bayeslaw_plan_lag_seconds", "s"] == 0
    assert seen["bayeslaw_planning_failed", "s"] == 1


def test_a_study_that_was_never_planned_has_no_age_and_a_closed_one_is_gone(world):
    state = world.study()
    seen = world.read()
    assert ("bayeslaw_plan_age_seconds", "s") not in seen
    assert seen["bayeslaw_plan_items", "s"] == 0
    state.set_state("closed")
    assert ("bayeslaw_runs", "planned", "s") not in world.read()


def test_only_the_latest_hundred_studies_are_told(world, store):
    for i in range(105):
        store.create_study(f"s{i}", {}, at=1.0)
    studies = {key[1] for key in world.read() if key[0] == "bayeslaw_plan_items"}
    assert studies == {f"s{i}" for i in range(5, 105)}


def test_the_planner_is_told_with_its_memory_and_without_the_dead(world):
    seen = world.read()
    assert seen["bayeslaw_planner_up",] == 1
    assert seen["bayeslaw_planner_restarts_total",] == 2
    own = seen["process_resident_memory_bytes",]
    assert 0.5 * own < seen["bayeslaw_planner_resident_memory_bytes",] < 2 * own
    world.planner = {"is_alive": False, "detail": "none"}
    assert world.read()["bayeslaw_planner_up",] == 0


def test_a_store_that_is_gone_is_told_and_the_rest_still_is(world):
    class Gone(SqlStore):
        def __init__(self):
            pass

        def studies(self, **_):
            from bayeslaw.errors import UnavailableError

            raise UnavailableError("gone")

    metrics = Metrics(world.app.state.parts)
    for collector in metrics._registry._collector_to_names:
        if hasattr(collector, "_store"):
            collector._store = Gone()
    text = metrics.text().decode()
    assert "bayeslaw_store_up 0.0" in text and "process_open_fds" in text


def test_names_are_ours_and_the_operators_page_knows_them(world):
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "service-operations.md").read_text()
    world.study().suggest("w")
    world.plan()
    seen = {key[0] for key in world.read()}
    for name in set(re.findall(r"bayeslaw_[a-z_]+", page)) - {"bayeslaw_request_seconds_bucket"}:
        # Counters appear with the first request that they count.
        assert name in seen or name == "bayeslaw_requests_total", name
    assert all(name.startswith(("bayeslaw_", "process_")) for name in seen)
