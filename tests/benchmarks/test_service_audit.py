"""The audit of the kill benchmark finds what it is there to find."""

import json
from dataclasses import replace

import pytest
from benchmarks.service.audit import audit
from benchmarks.service.steadfast import LEASE_S

from bayeslaw.runs import JobResult, Run
from bayeslaw.space import Architecture
from bayeslaw.store import Event, SqlStore
from bayeslaw.study.state import StudyState

SHAPE = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


class World:
    """A study, a clock that is moved by hand, and the ledger of an honest worker."""

    def __init__(self, path):
        self.path = path
        self.now = 1e9
        self.store = SqlStore(path)
        self.state = StudyState.create(self.store, "s", {}, clock=lambda: self.now)
        self.ledger = []

    def note(self, where, mark, *, body=None, answer=None, status=200, n_sent=1):
        self.ledger.append(
            {
                "where": where, "mark": mark, "body": json.dumps(body or {}), "status": status,
                "code": "" if status < 300 else "lease-lost", "n_sent": n_sent,
                "answer": answer or {},
            }
        )  # fmt: skip

    def add_planned(self, n_tokens=1000):
        run_id = f"r{n_tokens}"
        self.state.add_runs([Run(run_id, n_tokens=n_tokens, architecture=SHAPE)])
        return run_id

    def lease(self, mark, worker_id="worker-1"):
        [entry] = self.state.suggest(worker_id, lease_seconds=LEASE_S, device=mark)
        self.note("runs:suggest", mark, answer={"runs": [{"run_id": entry.run.run_id}]})
        return entry.run.run_id

    def beat(self, run_id, mark, worker_id="worker-1"):
        self.state.heartbeat(run_id, worker_id, LEASE_S, progress={"mark": mark})
        self.note(f"runs/{run_id}:heartbeat", mark)

    def complete(self, run_id, mark, worker_id="worker-1"):
        result = JobResult(
            run_id, "train", "done", finished=True, loss_nats=3.0, record={"mark": mark}
        )
        self.state.complete(run_id, result, worker_id=worker_id)
        self.note(f"runs/{run_id}:complete", mark, answer={"outcome": "accepted"})

    def record(self, kind, run_id, **payload):
        with self.store.changing("s") as change:
            change.record(Event(kind, self.now, run_id, payload))

    def audit(self):
        return audit(self.path, "s", self.ledger)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "study.db")
    made.add_planned()
    yield made
    made.store.close()


def test_an_honest_ledger_is_found_whole(world):
    run_id = world.lease("0-1-1")
    world.beat(run_id, "0-1-2")
    world.complete(run_id, "0-1-3")
    world.note(f"runs/{run_id}:complete", "0-1-3-again", answer={"outcome": "duplicate"})
    world.note(f"runs/{run_id}:heartbeat", "0-1-4", status=409)
    found = world.audit()
    assert (found.n_acknowledged, found.n_refused, found.n_leases) == (4, 1, 1)
    assert not [*found.lost, *found.doubled, *found.two_holders, *found.refused_but_done]


@pytest.mark.parametrize("verb", ["heartbeat", "report", "complete", "fail", "requeue"])
def test_an_acknowledged_write_that_is_not_there_is_lost(world, verb):
    run_id = world.lease("0-1-1")
    run = {"run_id": run_id, "status": "leased", "n_lost": 0}
    world.note(f"runs/{run_id}:{verb}", "0-1-2", answer={"run": run})
    assert len(world.audit().lost) == 1


def test_an_acknowledged_lease_that_is_not_there_is_lost(world):
    world.note("runs:suggest", "0-1-1", answer={"runs": [{"run_id": "r1000"}]})
    assert len(world.audit().lost) == 1


def test_a_write_that_took_effect_twice_is_doubled(world):
    run_id = world.lease("0-1-1")
    world.beat(run_id, "0-1-2")
    world.state.heartbeat(run_id, "worker-1", LEASE_S, progress={"mark": "0-1-2"})
    assert len(world.audit().doubled) == 1


def test_a_run_that_ended_twice_is_doubled(world):
    run_id = world.lease("0-1-1")
    world.complete(run_id, "0-1-2")
    world.record("run_done", run_id, cost_gpu_hours=0.0)
    assert any("ended 2 times" in text for text in world.audit().doubled)


def test_a_candidate_that_was_made_into_two_runs_is_doubled(world):
    world.state.add_runs([replace(world.state.run("r1000"), run_id="copy")])
    assert any("has 2 runs" in text for text in world.audit().doubled)


def test_a_refused_write_that_took_effect_is_found(world):
    run_id = world.lease("0-1-1")
    world.beat(run_id, "0-1-2")
    world.ledger[-1] |= {"status": 409, "code": "lease-lost"}
    assert len(world.audit().refused_but_done) == 1


def test_two_live_holders_are_found(world):
    run_id = world.lease("0-1-1")
    world.now += LEASE_S / 2
    world.record("run_leased", run_id, worker_id="worker-2", seconds=LEASE_S, device="x")
    assert any("worker-2" in text for text in world.audit().two_holders)


def test_a_lease_taken_too_early_is_found(world):
    run_id = world.lease("0-1-1")
    world.now += LEASE_S - 1
    world.record("run_lost", run_id, worker_id="worker-1", n_lost=1)
    assert any("too early" in text for text in world.audit().two_holders)


def test_a_lease_that_ran_out_may_go_to_another(world):
    run_id = world.lease("0-1-1")
    world.now += LEASE_S + 1
    world.state.expire_leases()
    assert world.lease("0-2-1", worker_id="worker-2") == run_id
    found = world.audit()
    assert found.n_lost_leases == 1
    assert not [*found.lost, *found.doubled, *found.two_holders]


def test_a_lease_that_a_clock_stretched_is_anchored(world):
    world.lease("0-1-1")
    world.now -= 3600
    world.state.expire_leases()
    world.now += LEASE_S + 1
    world.state.expire_leases()
    found = world.audit()
    assert found.n_lost_leases == 1 and not found.two_holders
