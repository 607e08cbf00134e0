"""Planner and fitter as processes of their own, killed at the worst moments."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.service.planner_world import begin, config_of, history, work

from bayeslaw.errors import NotFoundError
from bayeslaw.service.planner import PlannerSupervisor
from bayeslaw.service.planner.fitter import Fitter
from bayeslaw.service.planner.planner import Planner
from bayeslaw.space import Candidate
from bayeslaw.store import SqlStore

pytestmark = pytest.mark.slow

# A start loads torch and jax; the machine may be busy.
PATIENCE_S = 120.0

# What a service does, as far as its planners go.
SERVICE = """
import sys, time
from bayeslaw.service.planner import PlannerSupervisor
supervisor = PlannerSupervisor(sys.argv[1], sys.argv[2])
supervisor.start()
while not supervisor.state()["pids"]:
    time.sleep(0.01)
print(supervisor.state()["pids"][0], flush=True)
time.sleep(600)
"""


def wait_for(found, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s for {what}"
        time.sleep(0.005)
    return value


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def store(tmp_path):
    with SqlStore(tmp_path / "study.db") as store:
        yield store


def test_a_fitter_killed_in_mid_fit_loses_nothing(store, tmp_path):
    state = begin(store)
    state.add_runs(history(config_of().training_space.sample(10, seed=6)))
    planner = Planner(store, tmp_path, time.time, fitter=Fitter())
    try:
        wait_for(lambda: planner.step() and planner.fitter.asked, "the first fit")
        os.kill(planner.fitter.pid, signal.SIGKILL)
        late = history(config_of().training_space.sample(12, seed=7))[10:]
        for number, run in enumerate(late):
            state.add_runs([type(run).from_dict({**run.to_dict(), "run_id": f"late{number}"})])
        desk = planner.desks["small"]
        wait_for(lambda: planner.step() or desk.learner.n_fits, "a fit after the death")
        wait_for(lambda: not planner.step() and desk.fit_due() is None, "rest")
        assert planner.fitter.n_deaths == 1 and planner.fitter.n_starts == 2
        law = store.view("small", "posterior").payload["laws"][0]
        assert law["n_runs"] == 12
        assert store.view("small", "diagnostics").payload["planner"]["last_error"] is None
        assert len(store.plan_items("small")) == 2
        fits = [place.name for place in (tmp_path / "posteriors" / "small").iterdir()]
        assert fits and not [name for name in fits if name.startswith(".")]
    finally:
        planner.close()


def test_a_planner_killed_in_mid_plan_is_started_again_and_knows_everything(store, tmp_path):
    state = begin(store, acquisition="random", rounds=5000)
    at_work = tmp_path / "planner" / "0-at-work.json"
    supervisor = PlannerSupervisor(tmp_path, str(tmp_path / "study.db"))
    supervisor.start()

    def is_planning():
        try:
            return json.loads(at_work.read_text())["at"] == "plan small"
        except (OSError, ValueError):
            return False

    def is_up_to_date():
        try:
            return store.view("small", "plan").based_on_seq >= store.last_seq("small")
        except NotFoundError:
            return False

    try:
        wait_for(is_planning, "the first plan")
        (pid,) = supervisor.state()["pids"]
        os.kill(pid, signal.SIGKILL)
        state.add_runs(history(config_of().training_space.sample(20, seed=6)))
        wait_for(is_up_to_date, "a plan by the next planner")
        found = supervisor.state()
        assert (found["n_restarts"], found["last_exit"]) == (1, -signal.SIGKILL)
        assert found["is_alive"] and found["pids"] != [pid]
        known = {Candidate(run.architecture, run.n_tokens) for run in state.runs()}
        items = store.plan_items("small")
        assert len(items) > 500
        assert not known & {Candidate(i.run.architecture, i.run.n_tokens) for i in items}
        assert len(work(state, n_runs=5)) == 5
    finally:
        supervisor.stop()
    assert supervisor.state()["pids"] == [] and not is_alive(pid)


def test_planners_end_with_the_service_that_was_killed(store, tmp_path):
    begin(store)
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path), str(tmp_path / "study.db")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    try:
        pid = int(service.stdout.readline())
        wait_for(lambda: store.plan_items("small", limit=1), "a plan")
        assert is_alive(pid)
    finally:
        service.kill()
        service.wait()
        service.stdout.close()
    wait_for(lambda: not is_alive(pid), "the planner's end")
    # It ended in good order: nothing is held against the study.
    assert json.loads((tmp_path / "planner" / "0-at-work.json").read_text())["deaths"] == {}
