"""The planner in this process: plans, operations, and what is wrong with one study."""

import time

import numpy as np
import pytest
from tests.service.planner_world import (
    FitterHere,
    begin,
    config_of,
    history,
    result_of,
    settle,
    timing_of,
    work,
)

from bayeslaw.errors import NotFoundError
from bayeslaw.models.latency import fit_latency
from bayeslaw.runs import Run
from bayeslaw.service.planner.attempts import Attempts
from bayeslaw.service.planner.known import Known
from bayeslaw.service.planner.planner import Planner
from bayeslaw.service.planner.remembering import RememberingSurrogate
from bayeslaw.space import Architecture, Candidate
from bayeslaw.store import Operation, SqlStore
from bayeslaw.study import planning
from bayeslaw.study.advising import to_measure


@pytest.fixture
def store(tmp_path):
    with SqlStore(tmp_path / "study.db") as store:
        yield store


@pytest.fixture
def plan_with(store, tmp_path):
    """Return a function that gives a planner, as new."""
    planners = []

    def planner():
        planners.append(Planner(store, tmp_path, time.time, fitter=FitterHere()))
        return planners[-1]

    yield planner
    for one in planners:
        one.close()


def ask(store, kind, study="small", **request):
    """Ask for something and return its name."""
    name = f"op-{study}-{kind}-{len(store.operations(study))}"
    with store.transaction() as transaction:
        transaction.add_operation(Operation(name, study, kind, request, created_at=time.time()))
    return name


def planned(store, study="small"):
    return [Candidate(item.run.architecture, item.run.n_tokens) for item in store.plan_items(study)]


def test_a_new_study_has_its_first_runs_planned_and_what_to_time(store, plan_with):
    begin(store)
    settle(plan_with())
    assert planned(store) == planning.first_candidates(config_of(), 4)
    view = store.view("small", "plan")
    assert view.based_on_seq == store.last_seq("small")
    assert view.payload["exhausted"] is None and len(view.payload["items"]) == 4
    assert len(view.payload["measure"]) == 4
    assert view.payload["items"][0]["why"]
    assert [note["code"] for note in view.payload["notes"]] == ["costs_unknown"]


def test_while_the_first_runs_are_under_way_the_plan_is_empty_and_says_why(store, plan_with):
    state, planner = begin(store), plan_with()
    settle(planner)
    held = [state.suggest(f"w{i}")[0] for i in range(4)]
    assert {entry.run.purpose for entry in held} == {"initial"}
    settle(planner)
    assert store.plan_items("small") == []
    assert store.view("small", "plan").payload["waiting"]["code"] == "waiting-for-results"


def test_a_failed_first_run_is_made_up_for(store, plan_with):
    state, planner = begin(store), plan_with()
    settle(planner)
    held = [state.suggest(f"w{i}")[0] for i in range(4)]
    settle(planner)
    state.fail(held[0].run.run_id, "the loss was nan")
    settle(planner)
    assert len(planned(store)) == 1


def test_a_plan_by_chance_is_deep_and_filled_up_when_it_runs_low(store, plan_with, monkeypatch):
    monkeypatch.setattr("bayeslaw.service.planner.desk._MOST_BY_CHANCE", 40)
    state, planner = begin(store, acquisition="random", rounds=500), plan_with()
    settle(planner)
    assert len(planned(store)) == 40
    before = planned(store)
    work(state, n_runs=10)
    assert not planner.step()  # enough is left, and results do not matter to chance
    work(state, n_runs=11)
    assert planner.step()
    after = planned(store)
    assert len(after) == 40 and not set(after) & set(before[:21])


def test_a_planner_that_starts_anew_comes_to_the_same_plan(store, plan_with):
    state, planner = begin(store, acquisition="sobol", rounds=500), plan_with()
    for _ in range(6):
        settle(planner)
        work(state, n_runs=2)
    planner.desks["small"].known.follow(store)
    planner.desks["small"].plan(1)
    found = planned(store)
    anew = plan_with()
    settle(anew)
    assert planned(store) == found and len(found) == 64


def test_what_is_followed_event_by_event_is_what_is_read_at_once(store):
    state, known = begin(store), Known("small")
    known.follow(store)
    runs = history(config_of().training_space.sample(6, seed=2))
    state.add_runs(runs)
    known.follow(store)
    for candidate_run in runs[:2]:
        state.supersede(candidate_run.run_id, "leaked")
    fresh = config_of().training_space.sample(3, seed=4)
    state.add_runs([Run(f"n{i}", c.n_tokens, c.architecture) for i, c in enumerate(fresh)])
    first, second, third = (state.suggest(f"w{i}")[0].run for i in range(3))
    known.follow(store)
    assert known.held == {first.run_id, second.run_id, third.run_id}
    state.complete(first.run_id, result_of(first), worker_id="w0")
    state.fail(second.run_id, "the loss was nan", cost_gpu_hours=0.5)
    state.abandon(third.run_id, "nobody knows")
    known.follow(store)
    state.requeue(third.run_id, "again")
    state.add_measurement(timing_of(runs[0].architecture, config_of().serving), cost_gpu_hours=0.1)
    assert known.follow(store) and not known.follow(store)
    fresh = Known("small")
    fresh.follow(store)
    assert known.runs == fresh.runs and list(known.runs) == list(fresh.runs)
    assert known.measurements == fresh.measurements
    assert (known.held, known.spent_gpu_hours) == (fresh.held, state.spent_gpu_hours())
    assert known.runs[third.run_id].status == "planned"


def test_a_config_that_cannot_be_planned_for_stops_no_other_study(store, plan_with):
    store.create_study("broken", {"name": "broken"}, at=0.0)
    begin(store)
    asked = ask(store, "suggest", "broken", count=1)
    settle(plan_with())
    assert len(planned(store)) == 4
    trouble = store.view("broken", "diagnostics").payload["planner"]["last_error"]
    assert trouble["code"] == "config-unusable" and "target" in trouble["detail"]
    operation = store.operation(asked)
    assert operation.status == "failed" and operation.error["code"] == "config-unusable"


def test_a_study_in_trouble_keeps_its_plan_and_is_tried_again_when_something_changes(
    store, plan_with, monkeypatch
):
    state, planner = begin(store, acquisition="sobol", rounds=500), plan_with()
    settle(planner)
    before = planned(store)
    desk = planner.desks["small"]
    monkeypatch.setattr("bayeslaw.service.planner.desk.advise", lambda *a, **k: 1 / 0)
    assert desk.plan(1) is None
    assert planned(store) == before
    trouble = store.view("small", "diagnostics").payload["planner"]
    assert trouble["state"] == "trouble" and trouble["last_error"]["code"] == "planner-fault"
    monkeypatch.undo()
    assert not planner.step()
    work(state, n_runs=40)
    settle(planner)
    assert desk.trouble is None and len(planned(store)) == 64


def test_who_asks_for_runs_is_told_how_many_there_are_or_why_none(store, plan_with):
    state, planner = begin(store), plan_with()
    planner.step()
    enough = ask(store, "suggest", count=2, max_gpu_hours=None)
    unknown = ask(store, "suggest", count=1, max_gpu_hours=1.0)
    settle(planner)
    assert store.operation(enough).result == {"n_ready": 2, "reason": None}
    assert store.operation(unknown).result["reason"]["code"] == "costs-unknown"
    state.set_state("paused")
    paused = ask(store, "suggest", count=1)
    settle(planner)
    assert store.operation(paused).result["reason"]["code"] == "study-not-active"


def test_runs_that_somebody_has_time_for_are_added_to_the_plan(store, plan_with, monkeypatch):
    monkeypatch.setattr("bayeslaw.service.planner.desk._MOST_BY_DESIGN", 3)
    state, planner = begin(store, acquisition="sobol", rounds=500), plan_with()
    state.add_runs(history(config_of().training_space.sample(12, seed=3)))
    settle(planner)
    before = planned(store)
    costs = sorted(item.cost_gpu_hours for item in store.plan_items("small"))
    limit = costs[0] * 0.9
    asked = ask(store, "suggest", count=1, max_gpu_hours=limit)
    settle(planner)
    assert store.operation(asked).result["n_ready"] == 1
    assert planned(store)[: len(before)] == before
    (given,) = state.suggest("short", max_gpu_hours=limit)
    assert given.run.cost_gpu_hours <= limit


@pytest.mark.parametrize(
    ("kind", "request_", "code"),
    [
        ("fit", {"method": "nuts"}, "not-enough-runs"),
        ("fit", {"method": "guess"}, "invalid-input"),
        ("recommend", {}, "not-enough-runs"),
        ("dance", {}, "invalid-input"),
    ],
)
def test_what_cannot_be_answered_fails_with_what_to_do(store, plan_with, kind, request_, code):
    begin(store)
    asked = ask(store, kind, **request_)
    settle(plan_with())
    operation = store.operation(asked)
    assert operation.status == "failed"
    assert operation.error["code"] == code and operation.error["status"] == 422


def test_what_kills_the_planner_twice_is_left_alone(store, plan_with, tmp_path):
    state = begin(store)
    asked = ask(store, "plan")
    begin(store, "other")
    well = ask(store, "plan", "other")
    path = tmp_path / "planner" / "0-at-work.json"
    path.parent.mkdir()
    deaths = []  # a process that dies inside the block never leaves it
    for at in (f"operation {asked}", f"operation {asked}", "plan small", "plan small"):
        deaths.append(Attempts(path).at(at))
        deaths[-1].__enter__()
    planner = plan_with()
    settle(planner)
    assert store.operation(asked).error["code"] == "planner-died"
    assert store.operation(well).status == "done"
    assert store.view("small", "diagnostics").payload["planner"]["last_error"]["code"] == (
        "planner-died"
    )
    assert len(planned(store, "other")) == 4 and planned(store) == []
    begin_again = history(config_of().training_space.sample(1))
    state.add_runs(begin_again)
    settle(planner)
    assert len(planned(store)) == 3


def test_a_closed_study_is_planned_for_no_more(store, plan_with):
    state = begin(store)
    state.set_state("closed")
    settle(plan_with())
    assert planned(store) == []
    with pytest.raises(NotFoundError):
        store.view("small", "plan")


@pytest.mark.slow
def test_a_law_takes_over_is_updated_and_fitted_again(store, plan_with):
    """The whole way: history, fit, plan by law, new results, refit, recommendation, a new start."""
    state, planner = begin(store), plan_with()
    space = config_of().training_space
    state.add_runs(history(space.sample(10, seed=6)))
    settle(planner)
    plan = store.view("small", "plan").payload
    assert [item["record"]["acquisition"] for item in plan["items"]] == ["target_lookahead"] * 2
    codes = {note["code"] for note in plan["notes"]}
    assert {"planned_without_latency", "latency_not_measured"} <= codes
    law = store.view("small", "posterior").payload["laws"][0]
    assert (law["law"], law["method"], law["n_runs"]) == ("chinchilla", "laplace", 10)
    assert law["coefficients"]["alpha"]["p05"] < law["coefficients"]["alpha"]["p95"]
    assert store.view("small", "posterior-netcdf/chinchilla").payload["base64"]

    asked = ask(store, "recommend", n_params=None, n_tokens=None, limits=[], objectives=[])
    settle(planner)
    assert store.operation(asked).error["code"] == "latency-not-measured"
    for measured in plan["measure"]:
        shape = Architecture.from_dict(measured)
        state.add_measurement(timing_of(shape, config_of().serving))
    (run,) = work(state)
    assert run.purpose == "suggested"
    settle(planner)
    diagnostics = store.view("small", "diagnostics").payload
    assert diagnostics["planner"]["refits"] == 2 and diagnostics["planner"]["n_untold"] == 0
    assert diagnostics["laws"]["chinchilla"]["n_runs"] == 11
    held = state.suggest("slow")[0].run
    settle(planner)
    assert Candidate(held.architecture, held.n_tokens) not in planned(store)

    asked = ask(store, "recommend", n_params=None, n_tokens=None, limits=[], objectives=[])
    settle(planner)
    recommended = store.operation(asked).result
    assert recommended["chosen"]["architecture"]["vocab_size"] == 256
    assert recommended["n_runs"] == 11 and recommended["methods"] == {"chinchilla": "laplace"}
    assert store.view("small", "recommendation").payload == recommended

    asked = ask(store, "fit", method="nuts")
    settle(planner)
    fitted = store.operation(asked).result
    assert (fitted["methods"], fitted["n_runs"]) == ({"chinchilla": "nuts"}, 11)
    assert store.view("small", "diagnostics").payload["laws"]["chinchilla"]["max_rhat"] < 1.1

    planner.desks["small"].plan(1)
    found, anew = planned(store), plan_with()
    settle(anew)
    assert planned(store) == found
    assert anew.desks["small"].learner.n_fits == 0  # what was fitted is found again


@pytest.mark.slow
def test_what_is_remembered_of_a_latency_is_what_would_be_drawn():
    config = config_of(measured=8)
    timed = [timing_of(shape, config.serving) for shape in to_measure(config, [])]
    plain = fit_latency(timed, seed=0)
    remembering = RememberingSurrogate.of(plain)
    asked = ([measurement.architecture for measurement in timed[:3]], config.serving, 64, 7)
    drawn = remembering.draw_with_timings(*asked)
    for found, wanted in zip(drawn, plain.draw_with_timings(*asked), strict=True):
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    for seed in range(20):  # others are drawn beside it, and it is asked for all along
        remembering.draw_with_timings(*asked[:3], seed=100 + seed)
        assert remembering.draw_with_timings(*asked) is drawn
    assert len(remembering.drawn) <= 8
