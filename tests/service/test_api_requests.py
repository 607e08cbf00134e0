"""Requests that nobody should send."""

from __future__ import annotations

import json

import pytest

from bayeslaw.service.problems import MEDIA_TYPE
from bayeslaw.service.schemas.problem import Problem

JSON = {"Content-Type": "application/json"}
SUGGEST = "/v1/studies/tiny/runs:suggest"


def refused(answer, status, code):
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.status, problem.code) == (status, status, code)
    assert problem.detail
    return problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"worker_id": "a", "worker_id": "b"}',
        b'{"worker_id": NaN}',
        b'{"worker_id": -Infinity}',
        b'{"lease_s": 1e999}',
        b'{"count": 9223372036854775808}',
        b'{"count": ' + b"9" * 10_000 + b"}",
        b'{"worker_id": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"worker_id": "\\ud800"}',
        b"[" * 100_000,
        b'{"worker_id": ' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_a_body_that_two_programs_would_read_differently_is_refused(refusing, body):
    refused(refusing.post(SUGGEST, content=body, headers=JSON), 400, "malformed-json")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_a_body_that_is_not_called_json_is_refused(refusing, kind):
    headers = {} if kind is None else {"Content-Type": kind}
    answer = refusing.post(SUGGEST, content=b'{"worker_id": "a"}', headers=headers)
    refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {},
        {"worker_id": ""},
        {"worker_id": "a\nb"},
        {"worker_id": "a" * 201},
        {"worker_id": 1},
        {"worker_id": "a", "count": 0},
        {"worker_id": "a", "count": 101},
        {"worker_id": "a", "count": "1"},
        {"worker_id": "a", "count": True},
        {"worker_id": "a", "lease_s": 0},
        {"worker_id": "a", "lease_s": 1e300},
        {"worker_id": "a", "wait_s": 61},
        {"worker_id": "a", "max_gpu_hours": -1},
        {"worker_id": "a", "workers": 1},
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_places(refusing, body):
    problem = refused(refusing.post(SUGGEST, json=body), 422, "invalid-input")
    assert all(fault.pointer.startswith("#") for fault in problem.errors)


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0", "page_size=1001", "page_size=x", "page_size=1&page_size=2", "unknown=1",
        "status=finished", "page_token=%00", "page_token=%FF", "worker_id=",
    ],
)  # fmt: skip
def test_a_query_that_does_not_fit_is_refused(refusing, query):
    refused(refusing.get(f"/v1/studies/tiny/runs?{query}"), 422, "invalid-input")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/studies/%00", 422, "invalid-input"),
        ("GET", "/v1/studies/" + "x" * 201, 422, "invalid-input"),
        ("GET", "/v1/studies/tiny/runs/a%0Ab", 422, "invalid-input"),
        ("GET", "/v1/studies/a%2Fb", 404, "not-found"),
        ("GET", "/v2/studies", 404, "not-found"),
        ("PUT", "/v1/studies", 405, "method-not-allowed"),
        ("POST", "/v1/studies/tiny/runs/r1:dance", 405, "method-not-allowed"),
        ("GET", "/v1/studies/", 404, "not-found"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(refusing, method, path, status, code):
    refused(refusing.request(method, path, json={}), status, code)


def test_a_header_that_is_no_list_of_tags_is_refused(refusing):
    answer = refusing.patch("/v1/studies/tiny", json={"state": "paused"}, headers={"If-Match": "3"})
    refused(answer, 422, "invalid-input")


def test_every_fault_is_named(refusing):
    body = {"worker_id": "", "count": 0}
    problem = refused(refusing.post(SUGGEST, json=body), 422, "invalid-input")
    assert {fault.pointer for fault in problem.errors} == {"#/worker_id", "#/count"}
    assert "(and" in problem.detail


def test_a_large_body_is_read_like_a_small_one(client, study):
    runs = [
        {
            "run_id": f"r{i}", "n_tokens": 10**6 + i, "status": "done", "loss_nats": 3.0,
            "columns": {"n_params": 1e6},
        }
        for i in range(800)
    ]  # fmt: skip
    body = json.dumps({"runs": runs})
    assert len(body) > 64 * 1024
    answer = client.post(f"{study}/runs", content=body, headers=JSON)
    assert answer.status_code == 201, answer.text
    twice = body.replace('"run_id": "r799"', '"run_id": "r799", "run_id": "r799"')
    refused(client.post(f"{study}/runs", content=twice, headers=JSON), 400, "malformed-json")


def test_a_mistake_of_ours_tells_nothing_and_is_a_problem(store, clock, token, monkeypatch):
    from starlette.testclient import TestClient

    from bayeslaw.service.app import create_app
    from bayeslaw.store import Reader

    def broken(*_, **__):
        raise KeyError("a secret")

    monkeypatch.setattr(Reader, "studies", broken)
    headers = {"Authorization": f"Bearer {token('admin')}"}
    app = create_app(store, clock=clock)
    with TestClient(
        app, base_url="http://localhost", headers=headers, raise_server_exceptions=False
    ) as caller:
        problem = refused(caller.get("/v1/studies"), 500, "internal-error")
    assert "secret" not in problem.detail
