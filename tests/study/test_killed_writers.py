"""Writers are killed at random moments; what was acknowledged stays and nothing is doubled."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState

N_ROUNDS = 30
LEASE_SECONDS = 0.4


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory):
    """Kill a writer 30 times, the other one working on; return the study and the receipts."""
    folder = tmp_path_factory.mktemp("killed")
    path, receipts = folder / "study.db", folder / "acknowledged.txt"
    with SqlStore(path) as store:
        StudyState.create(store, "s", {})
    script = Path(__file__).with_name("killed_writer.py")
    server = subprocess.Popen(
        [sys.executable, str(script), str(path), str(receipts), str(LEASE_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def start(name):
        server.stdin.write(name + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    chance = random.Random(0)
    workers = {name: start(name) for name in ("w0", "w1")}
    for number in range(N_ROUNDS):
        time.sleep(chance.uniform(0.02, 0.35))
        name = chance.choice(sorted(workers))
        os.kill(workers.pop(name), signal.SIGKILL)
        # Half of the time under the same name, as a driver that is started again would.
        name = name if chance.random() < 0.5 else f"w{number + 2}"
        workers[name] = start(name)
    for pid in workers.values():
        os.kill(pid, signal.SIGKILL)
    server.stdin.close()
    server.wait()
    server.stdout.close()
    with SqlStore(path) as store:
        yield StudyState(store, "s"), receipts.read_text().splitlines(), path


def test_every_acknowledged_write_is_there(aftermath):
    state, receipts, _ = aftermath
    acknowledged = Counter(tuple(line.split()) for line in receipts)
    assert Counter(kind for kind, _, _ in acknowledged.elements())["run_done"] >= 10
    happened = Counter()
    for event in state.events():
        worker = event.payload.get("worker_id")
        happened[event.kind, event.run_id, worker] += 1
    for (kind, run_id, worker), n in acknowledged.items():
        worker = None if kind == "run_planned" else worker
        assert happened[kind, run_id, worker] >= n, (kind, run_id, worker)


def test_no_run_is_leased_to_two_live_workers(aftermath):
    state, _, _ = aftermath
    holder, until = {}, {}
    for event in state.events():
        worker = event.payload.get("worker_id")
        if event.kind == "run_leased":
            held_by_other = holder.get(event.run_id) not in (None, worker)
            assert not (held_by_other and event.at < until[event.run_id])
            holder[event.run_id] = worker
            until[event.run_id] = event.at + event.payload["seconds"]
        elif event.kind == "run_heartbeat":
            assert holder[event.run_id] == worker
            until[event.run_id] = event.at + LEASE_SECONDS
        elif event.kind == "run_lost":
            assert event.at >= until[event.run_id]
            holder[event.run_id] = None


def test_no_run_is_doubled_and_none_ends_twice(aftermath):
    state, _, _ = aftermath
    names = [run.run_id for run in state.runs()]
    ends = Counter(event.run_id for event in state.events() if event.kind == "run_done")
    assert len(set(names)) == len(names)
    assert set(ends.values()) == {1}


def test_state_is_what_the_events_say(aftermath):
    state, _, _ = aftermath
    follows = {
        "run_planned": "planned", "run_leased": "leased", "run_heartbeat": "running",
        "run_lost": "planned", "run_done": "done",
    }  # fmt: skip
    told = {}
    for event in state.events():
        if event.kind == "run_leased" and event.payload["is_again"]:
            continue
        if event.kind in follows:
            told[event.run_id] = follows[event.kind]
    assert told == {run.run_id: run.status for run in state.runs()}
    last_plan = [e.run_id for e in state.events() if e.kind == "run_planned"][-1]
    assert state.document("plan").payload == last_plan


def test_the_file_is_sound(aftermath):
    _, _, path = aftermath
    file = sqlite3.connect(path)
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
