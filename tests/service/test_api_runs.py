"""Runs over HTTP: added, listed, worked on, ended."""

from __future__ import annotations

import pytest

from bayeslaw.service.schemas.run import RunDocument, RunPage
from bayeslaw.service.schemas.study import EXAMPLE_CONFIG
from bayeslaw.service.schemas.verbs import RunAndOutcome, ShouldStop

BASELINE = EXAMPLE_CONFIG["target"]["baseline"]
DONE = {"architecture": BASELINE, "n_tokens": 10**6, "status": "done", "loss_nats": 3.0}


def suggested(client, study, worker="w", **wishes):
    answer = client.post(f"{study}/runs:suggest", json={"worker_id": worker, **wishes})
    assert answer.status_code == 200, answer.text
    return answer.json()["runs"]


@pytest.fixture
def run(client, study, plan) -> str:
    """Lease a run to the worker ``w`` and return its path."""
    plan(1)
    return f"{study}/runs/{suggested(client, study)[0]['run_id']}"


def result(**changes):
    return {"worker_id": "w", "loss_nats": 3.0, "cost_gpu_hours": 0.5, **changes}


def test_a_worker_gets_a_planned_run_tells_of_it_and_ends_it(client, run):
    assert RunDocument.model_validate(client.get(run).json()).status == "leased"
    beat = client.post(f"{run}:heartbeat", json={"worker_id": "w", "progress": {"step": 7}})
    assert ShouldStop.model_validate(beat.json()).should_stop is False
    points = [{"n_tokens": 1000, "loss_nats": 5.0, "step": 10}]
    assert client.post(f"{run}:report", json={"worker_id": "w", "points": points}).is_success
    done = client.post(f"{run}:complete", json=result(record={"seed": 1}, bits_per_byte=1.5))
    assert RunAndOutcome.model_validate(done.json()).outcome == "accepted"
    told = client.get(run).json()
    assert (told["status"], told["loss_nats"], told["lease"]) == ("done", 3.0, None)
    assert told["cost_gpu_hours"] == 0.5
    assert told["record"]["seed"] == 1
    kinds = [
        event["kind"]
        for event in client.get(f"{run.rpartition('/runs/')[0]}/events").json()["events"]
    ]
    assert kinds == ["study_created", "run_leased", "run_heartbeat", "run_reported", "run_done"]


def test_a_worker_that_asks_again_gets_its_own_run_back(client, study, plan):
    plan(5)
    first, again = suggested(client, study), suggested(client, study)
    assert first[0]["run_id"] == again[0]["run_id"]
    assert suggested(client, study, worker="other")[0]["run_id"] != first[0]["run_id"]


def test_costly_runs_are_not_given_to_who_cannot_take_them(client, study, plan):
    plan(2, cost_gpu_hours=2.0)
    answer = client.post(f"{study}/runs:suggest", json={"worker_id": "w", "max_gpu_hours": 1.0})
    assert answer.status_code == 202
    assert len(suggested(client, study, max_gpu_hours=3.0, count=5)) == 2


def test_a_run_that_another_works_on_is_lost_to_the_first(client, run, study, clock):
    clock.now += 301
    other = suggested(client, study, worker="other")
    assert f"{study}/runs/{other[0]['run_id']}" == run
    for verb, body in {
        "heartbeat": {},
        "report": {"points": [{"n_tokens": 1, "loss_nats": 2}]},
    }.items():
        answer = client.post(f"{run}:{verb}", json={"worker_id": "w", **body})
        assert (answer.status_code, answer.json()["code"]) == (409, "lease-lost")


def test_a_late_result_is_accepted_and_marked(client, run, clock):
    clock.now += 301
    answer = client.post(f"{run}:complete", json=result()).json()
    assert (answer["outcome"], answer["is_late"]) == ("accepted", True)


def test_of_two_results_the_first_stands_and_the_second_is_kept(client, run, study):
    first = client.post(f"{run}:complete", json=result()).json()
    again = client.post(f"{run}:complete", json=result()).json()
    other = client.post(f"{run}:complete", json=result(worker_id="x", loss_nats=2.9)).json()
    outcomes = [answer["outcome"] for answer in (first, again, other)]
    assert outcomes == ["accepted", "duplicate", "kept_as_evidence"]
    assert client.get(run).json()["loss_nats"] == 3.0
    assert client.get(study).json()["spent_gpu_hours"] == 1.0


def test_a_failure_and_an_abandoned_run_differ(client, study, plan):
    plan(2)
    failed, abandoned = (f"{study}/runs/{r['run_id']}" for r in suggested(client, study, count=2))
    body = {"worker_id": "w", "reason": "diverged", "cost_gpu_hours": 0.1}
    assert client.post(f"{failed}:fail", json=body).json()["outcome"] == "accepted"
    assert client.post(f"{failed}:fail", json=body).json()["outcome"] == "duplicate"
    assert client.post(f"{abandoned}:abandon", json=body).json()["outcome"] == "accepted"
    assert client.get(failed).json()["status"] == "failed"
    assert client.get(abandoned).json()["status"] == "abandoned"
    late = client.post(f"{abandoned}:complete", json=result()).json()
    assert (late["outcome"], late["run"]["status"]) == ("accepted", "done")


def test_a_stopped_run_tells_its_worker_to_stop(client, run):
    client.post(f"{run}:stop", json={"reason": "no longer wanted"})
    answer = client.post(f"{run}:heartbeat", json={"worker_id": "w"})
    assert answer.json()["should_stop"] is True
    assert "no longer wanted" in answer.json()["reason"]


def test_a_run_given_back_goes_to_the_next(client, run, study):
    body = {"worker_id": "w", "reason": "the node shuts down"}
    assert client.post(f"{run}:requeue", json=body).json()["run"]["status"] == "planned"
    assert client.post(f"{run}:requeue", json=body).status_code == 200
    assert suggested(client, study, worker="other")[0]["n_lost"] == 0
    answer = client.post(f"{run}:requeue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "lease-lost")


def test_a_worker_gives_back_its_own_run_and_a_planner_anybodys(client, run, token):
    worker = {"Authorization": f"Bearer {token('report')}"}
    planner = {"Authorization": f"Bearer {token('plan')}"}
    body = {"reason": "somebody says so"}
    assert client.post(f"{run}:requeue", json=body, headers=worker).status_code == 403
    assert client.post(f"{run}:requeue", json=body, headers=planner).status_code == 200


def test_a_retracted_result_is_believed_no_more(client, run):
    assert client.post(f"{run}:supersede", json={"reason": "leak"}).status_code == 409
    client.post(f"{run}:complete", json=result())
    told = client.post(f"{run}:supersede", json={"reason": "leak"}).json()["run"]
    assert (told["superseded"], told["loss_nats"]) == ("leak", 3.0)


def test_a_result_brings_its_timing(client, run, study):
    timing = {
        "architecture": BASELINE, "device": "d", "engine_version": "e", "ttft_ms": 3.0,
        "tpot_ms": 1.0, "ttft_iqr_ms": 0.1, "tpot_iqr_ms": 0.1,
    }  # fmt: skip
    assert client.post(f"{run}:complete", json=result(measurement=timing)).is_success
    (kept,) = client.get(f"{study}/measurements").json()["measurements"]
    assert run.endswith(kept["run_id"])
    assert kept["measurement"]["tpot_ms"] == 1.0


def test_a_result_with_a_senseless_timing_changes_nothing(client, run):
    answer = client.post(
        f"{run}:complete",
        json=result(measurement={"architecture": BASELINE, "device": "d", "engine_version": "e"}),
    )
    assert answer.status_code == 422
    assert client.get(run).json()["status"] == "leased"


def test_a_change_of_what_one_has_not_seen_is_refused(client, run):
    stale = client.get(run).headers["etag"]
    client.post(f"{run}:heartbeat", json={"worker_id": "w"})
    answer = client.post(f"{run}:stop", json={"reason": "x"}, headers={"If-Match": stale})
    assert (answer.status_code, answer.json()["code"]) == (412, "changed-meanwhile")
    fresh = client.get(run).headers["etag"]
    assert client.post(f"{run}:stop", json={"reason": "x"}, headers={"If-Match": fresh}).is_success


def test_runs_are_added_all_or_none(client, study):
    runs = [{**DONE, "run_id": "a"}, {**DONE, "run_id": "b", "loss_nats": 2.9}]
    answer = client.post(f"{study}/runs", json={"runs": runs})
    assert (answer.status_code, answer.json()) == (201, {"run_ids": ["a", "b"]})
    more = [{**DONE, "run_id": "c", "loss_nats": 2.8}, {**DONE, "run_id": "a"}]
    assert client.post(f"{study}/runs", json={"runs": more}).status_code in (409, 422)
    page = client.get(f"{study}/runs", params={"status": ["done", "failed"]}).json()
    assert [run.run_id for run in RunPage.model_validate(page).runs] == ["a", "b"]
    assert client.get(study).json()["spent_gpu_hours"] == 0.0


def test_a_run_added_to_be_done_goes_before_the_plan(client, study, plan):
    plan(1)
    body = {"runs": [{"run_id": "mine", "architecture": BASELINE, "n_tokens": 5}]}
    assert client.post(f"{study}/runs", json=body).status_code == 201
    assert suggested(client, study)[0]["run_id"] == "mine"


@pytest.mark.parametrize(
    "run",
    [
        {**DONE, "loss_nats": None},
        {**DONE, "architecture": None},
        {**DONE, "status": "planned"},
        {**DONE, "architecture": None, "columns": {"n_param": 1e6}},
        {**DONE, "architecture": {**BASELINE, "n_kv_heads": 3}},
        {**DONE, "run_id": "r1:heartbeat"},
        {**DONE, "loss_nats": "3.0"},
        {**DONE, "n_tokens": 2**53},
        {**DONE, "typo": 1},
    ],
)
def test_a_run_that_makes_no_sense_is_refused(client, study, run):
    assert client.post(f"{study}/runs", json={"runs": [run]}).status_code == 422
    assert client.get(f"{study}/runs").json()["runs"] == []


def test_runs_are_listed_in_pages_and_by_holder(client, study, plan):
    plan(3)
    for worker in "abc":
        suggested(client, study, worker=worker)
    page = client.get(f"{study}/runs", params={"page_size": 2}).json()
    rest = client.get(f"{study}/runs", params={"page_token": page["next_page_token"]}).json()
    assert (len(page["runs"]), len(rest["runs"]), rest["next_page_token"]) == (2, 1, "")
    (held,) = client.get(f"{study}/runs", params={"worker_id": "b"}).json()["runs"]
    assert held["lease"]["worker_id"] == "b"


@pytest.mark.parametrize("path", ["/v1/studies/none/runs", "/v1/studies/tiny/runs/none"])
def test_what_is_not_there_is_not_found(client, study, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_runs_that_are_timed_alike_are_two_measurements(client, study, plan):
    plan(2)
    timing = {
        "architecture": BASELINE, "device": "d", "engine_version": "e", "n_repeats": 0,
        "out_of_memory": True,
    }  # fmt: skip
    for run in suggested(client, study, count=2):
        path = f"{study}/runs/{run['run_id']}:complete"
        for _ in range(2):
            assert client.post(path, json=result(measurement=timing)).status_code == 200
    assert len(client.get(f"{study}/measurements").json()["measurements"]) == 2
