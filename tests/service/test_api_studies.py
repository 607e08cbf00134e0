"""Studies over HTTP."""

from __future__ import annotations

import pytest

from bayeslaw.service.schemas.study import StudyDocument


def test_a_study_begun_twice_with_one_config_is_the_same_study(client, config):
    first = client.post("/v1/studies", json={"config": config})
    second = client.post("/v1/studies", json={"config": config})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.headers["location"] == "/v1/studies/tiny"
    StudyDocument.model_validate(first.json())


def test_a_study_of_another_config_under_the_same_name_is_refused(client, study, config):
    config["plan"]["budget_gpu_hours"] = 11.0
    answer = client.post("/v1/studies", json={"config": config})
    assert (answer.status_code, answer.json()["code"]) == (409, "study-differs")


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a:b", "tab\tbed", "x" * 201])
def test_a_name_that_does_not_fit_into_a_path_is_refused(client, config, name):
    config["name"] = name
    answer = client.post("/v1/studies", json={"config": config})
    assert answer.status_code == 422
    assert "studies" in client.get("/v1/studies").json()
    assert client.get("/v1/studies").json()["studies"] == []


def test_a_config_that_makes_no_sense_says_what_is_wrong(client, config):
    config["target"]["n_params"] = 1
    answer = client.post("/v1/studies", json={"config": config})
    assert answer.status_code == 422
    assert "the baseline has" in answer.json()["detail"]


def test_a_constraint_that_divides_by_zero_is_refused(client, config):
    config["space"]["constraints"] = ["n_params <= 1/0"]
    assert client.post("/v1/studies", json={"config": config}).status_code == 422


def test_an_unknown_word_in_a_config_is_named_with_its_place(client, config):
    config["plan"]["budgets"] = 3
    answer = client.post("/v1/studies", json={"config": config}).json()
    assert [fault["pointer"] for fault in answer["errors"]] == ["#/config/plan/budgets"]


def test_studies_are_listed_in_pages(client, config):
    for number in range(5):
        config["name"] = f"s{number}"
        assert client.post("/v1/studies", json={"config": config}).status_code == 201
    names, token = [], ""
    while True:
        page = client.get("/v1/studies", params={"page_size": 2, "page_token": token}).json()
        names.append([entry["study_id"] for entry in page["studies"]])
        if not (token := page["next_page_token"]):
            break
    assert names == [["s0", "s1"], ["s2", "s3"], ["s4"]]


@pytest.mark.parametrize("text", ["x", "YWZ0ZXItLTE", "YmVmb3JlLTEy"])
def test_a_page_token_of_somebody_elses_is_refused(client, text):
    assert client.get("/v1/studies", params={"page_token": text}).status_code == 422


def test_a_paused_study_hands_out_nothing_and_says_so(client, study, plan):
    plan(1)
    assert client.patch(study, json={"state": "paused"}).json()["state"] == "paused"
    answer = client.post(f"{study}/runs:suggest", json={"worker_id": "w", "wait_s": 5})
    assert answer.json()["runs"] == []
    assert answer.json()["reason"]["code"] == "study-paused"
    client.patch(study, json={"state": "active"})
    assert len(client.post(f"{study}/runs:suggest", json={"worker_id": "w"}).json()["runs"]) == 1


def test_a_closed_study_stays_closed_and_still_takes_results(client, study, plan):
    plan(1)
    run = client.post(f"{study}/runs:suggest", json={"worker_id": "w"}).json()["runs"][0]
    assert client.patch(study, json={"state": "closed"}).status_code == 200
    assert client.patch(study, json={"state": "active"}).status_code == 409
    beat = client.post(f"{study}/runs/{run['run_id']}:heartbeat", json={"worker_id": "w"})
    assert (beat.status_code, beat.json()["should_stop"]) == (200, True)
    result = {"worker_id": "w", "loss_nats": 3.0, "cost_gpu_hours": 0.1}
    done = client.post(f"{study}/runs/{run['run_id']}:complete", json=result)
    assert done.json()["outcome"] == "accepted"


def test_a_study_that_changed_meanwhile_is_not_changed(client, study):
    seen = client.get(study).headers["etag"]
    client.patch(study, json={"state": "paused"}, headers={"If-Match": seen})
    late = client.patch(study, json={"state": "closed"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["code"]) == (412, "changed-meanwhile")
    assert client.get(study).json()["state"] == "paused"


def test_a_study_tells_where_it_stands(client, study, plan):
    plan(3)
    run = client.post(f"{study}/runs:suggest", json={"worker_id": "w"}).json()["runs"][0]
    result = {"worker_id": "w", "loss_nats": 3.0, "cost_gpu_hours": 0.25}
    client.post(f"{study}/runs/{run['run_id']}:complete", json=result)
    told = client.get(study).json()
    StudyDocument.model_validate(told)
    assert told["runs"] == {"done": 1}
    assert told["spent_gpu_hours"] == 0.25
    assert told["plan"] == {"n_ready": 2, "based_on_seq": None, "is_current": False}
