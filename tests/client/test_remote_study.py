"""The client's nouns against a real server over a real SQLite file."""

import itertools
import threading
import time
from dataclasses import replace

import pytest
from tests.client.running_service import SHAPE, running_service

from bayeslaw.client import Client, LeasedRuns, RetryPolicy
from bayeslaw.errors import (
    AccessError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
    StateError,
)
from bayeslaw.runs import Measurement, Run
from bayeslaw.space import Architecture, Workload


@pytest.fixture(scope="module")
def service():
    return running_service()


def test_a_study_is_made_once_and_found_again(service):
    study = service.study()
    config = study.get().config
    assert service.client.create_study(config).study_id == study.study_id
    assert study.study_id in [entry.study_id for entry in service.client.studies()]
    with pytest.raises(StateError, match="study-differs"):
        service.client.create_study({**config, "seed": 7})
    with pytest.raises(NotFoundError, match="no such study"):
        service.client.study("no such study").get()


def test_a_run_goes_from_enqueued_to_done(service):
    study = service.study(n_planned=3)
    (run,) = study.suggest("w1")
    assert (run.run_id, run.status, run.lease.worker_id) == ("r1", "leased", "w1")
    assert run.architecture.d_model == SHAPE["d_model"]
    assert [r.run_id for r in study.suggest("w1")] == ["r1"], "who asks again gets it back"
    assert [r.run_id for r in study.suggest("w2", count=2)] == ["r2", "r3"]
    answer = study.heartbeat(run, worker_id="w1", progress={"step": 3})
    assert (answer.run.status, answer.should_stop) == ("running", False)
    study.report(run, [{"n_tokens": 50_000, "loss_nats": 4.5, "step": 3}], worker_id="w1")
    told = {"loss_nats": 2.5, "cost_gpu_hours": 0.25, "worker_id": "w1"}
    answer = study.complete(run, **told, loss_stderr=0.01, record={"host": "n3"})
    assert (answer.outcome, answer.run.status, answer.is_late) == ("accepted", "done", False)
    assert (
        study.complete(run, **told, loss_stderr=0.01, record={"host": "n3"}).outcome == "duplicate"
    )
    other = study.complete("r1", loss_nats=2.6, cost_gpu_hours=0.25, worker_id="w2")
    assert (other.outcome, other.run.loss_nats) == ("kept_as_evidence", 2.5)
    assert [r.run_id for r in study.runs(status="done")] == ["r1"]
    assert [r.run_id for r in study.runs(worker_id="w2")] == ["r2", "r3"]
    found = study.get()
    assert found.runs["done"] == 1 and found.spent_gpu_hours == pytest.approx(0.5)


def test_runs_end_in_other_ways_too(service):
    study = service.study(n_planned=4)
    study.suggest("w", count=3)
    assert study.fail("r1", "diverged", cost_gpu_hours=0.1, worker_id="w").run.status == "failed"
    assert study.abandon("r2", "the node is gone", worker_id="w").run.status == "abandoned"
    assert study.requeue("r3", "time limit", worker_id="w").status == "planned"
    assert study.run("r3").lease is None and study.run("r3").n_lost == 0
    assert study.stop("r4", "not needed").reason == "not needed"
    assert study.complete("r2", loss_nats=3.0, cost_gpu_hours=0.1).run.status == "done"
    assert study.supersede("r2", "the evaluation set leaked").superseded
    with pytest.raises(StateError, match=r"r4.*stopped.*\(state\)"):
        study.requeue("r4", "again")
    with pytest.raises(LeaseLostError, match="lease-lost"):
        study.heartbeat("r3", worker_id="w")
    with pytest.raises(NotFoundError, match="'r9'"):
        study.run("r9")


def test_a_late_result_counts_and_the_second_of_two_is_kept(service):
    study = service.study(n_planned=1)
    study.suggest("slow", lease_s=0.02)
    time.sleep(0.05)
    assert [run.n_lost for run in study.suggest("quick")] == [1]
    late = study.complete("r1", loss_nats=2.0, cost_gpu_hours=1.0, worker_id="slow")
    assert (late.outcome, late.is_late) == ("accepted", True)
    second = study.complete("r1", loss_nats=2.1, cost_gpu_hours=0.5, worker_id="quick")
    assert (second.outcome, second.run.loss_nats) == ("kept_as_evidence", 2.0)
    (kept,) = study.events(kinds=["run_result_ignored"])
    assert kept.payload["result"]["loss_nats"] == 2.1
    assert study.get().spent_gpu_hours == pytest.approx(1.5)


def test_a_study_that_is_paused_says_why_it_hands_out_nothing(service):
    study = service.study(n_planned=1)
    assert study.set_state("paused").state == "paused"
    nothing = study.suggest("w")
    assert isinstance(nothing, LeasedRuns) and not nothing and "paused" in nothing.reason.code
    assert study.set_state("active").state == "active"
    assert [run.run_id for run in study.suggest("w")] == ["r1"]


def test_history_is_added_as_mappings_or_as_our_own_runs_all_or_none(service):
    study = service.study()
    done = Run("old1", n_tokens=10**6, architecture=Architecture(**SHAPE), purpose="imported")
    done = done.complete(loss_nats=3.0, cost_gpu_hours=0.5)
    named = study.add_runs([done, {"columns": {"n_params": 1e6}, "n_tokens": 10**6, "status": "done",
                                   "loss_nats": 3.1, "run_id": "old2"}])  # fmt: skip
    assert named == ["old1", "old2"]
    with pytest.raises(StateError, match="old1"):
        study.add_runs([replace(done, run_id="old3", loss_nats=2.9), done])
    assert [run.run_id for run in study.runs()] == ["old1", "old2"]
    with pytest.raises(InvalidInputError, match="/runs/0/n_tokens"):
        study.add_runs([{"architecture": SHAPE, "n_tokens": -1}])


def test_measurements_come_back_as_they_were_given(service):
    study = service.study()
    timing = Measurement(
        Architecture(**SHAPE), ttft_ms=3.0, tpot_ms=0.5, ttft_iqr_ms=0.1, tpot_iqr_ms=0.01,
        device="here", engine_version="torch 2", workload=Workload(), n_repeats=9,
    )  # fmt: skip
    (name,) = study.add_measurements([{"measurement": timing, "cost_gpu_hours": 0.01}])
    (kept,) = study.measurements()
    assert (kept.measurement_id, Measurement.from_dict(kept.measurement)) == (name, timing)


def test_long_lists_are_read_page_by_page(service):
    study = service.study()
    runs = [{"run_id": f"q{i}", "architecture": SHAPE, "n_tokens": 10**5 + i} for i in range(1_100)]
    assert len(study.add_runs(runs)) == 1_100
    assert [run.run_id for run in study.runs()] == [run["run_id"] for run in runs]
    assert len(list(study.events())) == 1_101
    assert {event.kind for event in study.events(kinds=["run_planned"])} == {"run_planned"}
    (one,) = study.events(run_id="q7")
    assert (one.run_id, one.kind) == ("q7", "run_planned")


def test_events_are_heard_as_they_happen(service):
    study = service.study(n_planned=1)
    since = study.get().last_seq

    def work():
        time.sleep(0.1)
        study.suggest("w")
        study.complete("r1", loss_nats=2.0, cost_gpu_hours=0.1, worker_id="w")

    worker = threading.Thread(target=work)
    worker.start()
    heard = study.events(since, follow=True)
    assert [event.kind for event in itertools.islice(heard, 2)] == ["run_leased", "run_done"]
    heard.close()
    worker.join()


def test_a_held_run_outlives_its_lease_by_heartbeats(service):
    study = service.study(n_planned=1)
    with study.working("w1", lease_s=0.6) as held:
        held.progress = {"step": 1}
        time.sleep(1.5)
        held.check()
        assert not study.suggest("w2"), "it is still w1's"
        held.report([{"n_tokens": 10, "loss_nats": 5.0}])
        assert held.complete(loss_nats=2.0, cost_gpu_hours=0.1) == "accepted"
    beats = [event for event in study.events(kinds=["run_heartbeat"])]
    assert len(beats) >= 3 and beats[0].payload["progress"] == {"step": 1}
    with study.working("w1") as held:
        assert held is None, "there is nothing left"


def test_a_run_that_was_stopped_or_lost_is_known_to_its_worker(service):
    study = service.study(n_planned=2)
    with study.working("w1", lease_s=0.3) as held:
        study.stop("r1", "the decision is made")
        wait_until(lambda: held.should_stop)
        with pytest.raises(StateError, match="the decision is made"):
            held.check()
    assert study.run("r1").status == "stopped"
    with study.working("w1", lease_s=0.3) as held:
        study.requeue("r2", "for a faster machine")
        assert [run.run_id for run in study.suggest("w2")] == ["r2"]
        wait_until(lambda: held.is_lost)
        with pytest.raises(LeaseLostError, match="w2"):
            held.check()
    assert study.run("r2").lease.worker_id == "w2", "who lost it does not touch it any more"


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), "planned"), (SystemExit(85), "planned"), (OSError("disk"), "abandoned")],
)
def test_a_block_that_breaks_gives_its_run_up(service, error, status):
    study = service.study(n_planned=1)
    with pytest.raises(type(error)), study.working("w"):
        raise error
    assert study.run("r1").status == status


def test_a_block_that_forgets_its_run_gives_it_up_too(service):
    study = service.study(n_planned=1)
    with study.working("w"):
        pass
    assert (study.run("r1").status, study.run("r1").reason) == (
        "abandoned", "the worker left it without a result",
    )  # fmt: skip


def test_who_has_no_token_or_a_lesser_one_is_told_so(service):
    with Client(service.url, "blaw_nobody", retries=RetryPolicy(patience_s=0.0)) as stranger:
        with pytest.raises(AccessError, match="token-unknown"):
            list(stranger.studies())
    made = service.client._transport.call(
        "POST", "v1/tokens", body={"name": "reader", "scopes": ["read"]}
    ).json()
    with Client(service.url, made["secret"], retries=RetryPolicy(patience_s=0.0)) as reader:
        assert reader.study(service.study().study_id).get()
        with pytest.raises(AccessError, match="scope-missing"):
            reader.create_study({"name": "mine"})


def test_a_client_without_a_token_says_where_it_looked(monkeypatch, tmp_path):
    monkeypatch.delenv("BAYESLAW_TOKEN", raising=False)
    with pytest.raises(AccessError, match="BAYESLAW_TOKEN"):
        Client("http://127.0.0.1:1")
    with pytest.raises(NotFoundError, match="address of a local server"):
        Client.local(tmp_path)


def test_the_environment_names_server_and_token(service, monkeypatch):
    monkeypatch.setenv("BAYESLAW_URL", service.url)
    monkeypatch.setenv("BAYESLAW_TOKEN", service.admin_token)
    with Client() as client:
        assert client.url.rstrip("/") == service.url
        assert list(client.studies()) is not None


def wait_until(is_so, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
