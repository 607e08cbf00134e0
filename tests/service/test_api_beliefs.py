"""What the planner keeps, shown: plan, posterior, diagnostics; spaces, events, health."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bayeslaw.errors import UnavailableError
from bayeslaw.service import openapi
from bayeslaw.service.app import create_app
from bayeslaw.service.schemas.beliefs import Diagnostics, Posterior
from bayeslaw.service.schemas.event import EventPage
from bayeslaw.service.schemas.plan import PlanDocument
from bayeslaw.service.schemas.space import SpaceAnswer
from bayeslaw.service.schemas.study import EXAMPLE_CONFIG

ROOT = Path(__file__).parents[2]


@pytest.fixture
def keep(store, clock):
    def put(name, content):
        with store.changing("tiny") as change:
            change.put_view(name, content, based_on_seq=store.last_seq("tiny"), at=clock())

    return put


def test_a_plan_is_empty_before_the_first(client, study):
    told = PlanDocument.model_validate(client.get(f"{study}/plan").json())
    assert (told.items, told.made_at, told.is_current) == ([], None, False)


def test_a_plan_says_what_and_why_and_whether_it_is_current(client, study, keep, plan):
    plan(2)
    item = {
        "rank": 1, "architecture": EXAMPLE_CONFIG["target"]["baseline"], "n_tokens": 5,
        "loss_nats": {"p05": 2.0, "p50": 2.5, "p95": None}, "why": "it teaches most",
    }  # fmt: skip
    keep("plan", {"items": [item], "measure": [], "notes": ["a note"]})
    told = client.get(f"{study}/plan").json()
    PlanDocument.model_validate(told)
    assert told["items"] == [item]
    assert (told["n_ready"], told["is_current"], told["exhausted"]) == (2, True, None)


def test_a_posterior_is_a_summary_or_a_file(client, study, keep):
    path = f"{study}/posterior"
    assert client.get(path).status_code == 404
    keep("posterior", {"laws": [{"law": "chinchilla"}, {"law": "other"}]})
    content = base64.b64encode(b"\x89HDF").decode()
    keep("posterior-netcdf/chinchilla", {"law": "chinchilla", "base64": content})
    Posterior.model_validate(client.get(path).json())
    assert client.get(path, params={"law": "other"}).json()["laws"] == [{"law": "other"}]
    assert client.get(path, params={"law": "none"}).status_code == 404
    answer = client.get(path, headers={"Accept": "application/x-netcdf"})
    assert (answer.content, answer.headers["content-type"]) == (b"\x89HDF", "application/x-netcdf")


def test_diagnostics_tell_of_the_planner_even_before_it_began(client, study, keep):
    told = Diagnostics.model_validate(client.get(f"{study}/diagnostics").json())
    assert told.planner.is_alive is False
    keep("diagnostics", {"notes": [{"code": "few-runs"}], "planner": {"n_refits": 3}})
    told = client.get(f"{study}/diagnostics").json()
    assert told["planner"]["n_refits"] == 3
    assert told["planner"]["is_alive"] is False
    assert told["notes"] == [{"code": "few-runs"}]


def test_events_are_read_on_without_missing_one(client, study, plan):
    plan(3)
    for worker in "abc":
        client.post(f"{study}/runs:suggest", json={"worker_id": worker})
    seen, since = [], 0
    while True:
        page = client.get(f"{study}/events", params={"since": since, "limit": 2}).json()
        EventPage.model_validate(page)
        if not page["events"]:
            break
        seen += [event["seq"] for event in page["events"]]
        since = page["next_since"]
    assert seen == [1, 2, 3, 4]
    only = client.get(f"{study}/events", params={"kind": "run_leased", "run_id": "r000002"}).json()
    assert [event["run_id"] for event in only["events"]] == ["r000002"]


def test_a_space_is_checked_before_a_study_is_made(client, config):
    told = client.post("/v1/spaces:validate", json={"config": config}).json()
    SpaceAnswer.model_validate(told)
    assert told["is_valid"] is True
    assert told["n_members"]["low"] > 1000
    assert len(told["examples"]) == 3
    assert client.get("/v1/studies").json()["studies"] == []


@pytest.mark.parametrize("body", [{}, {"config": {}, "space": {"axes": {}}}])
def test_a_question_about_no_space_or_two_is_refused(refusing, body):
    assert refusing.post("/v1/spaces:validate", json=body).status_code == 422


def test_a_search_that_takes_too_long_is_given_up(store, clock, token, config):
    from bayeslaw.service.settings import Settings

    app = create_app(store, clock=clock, settings=Settings(validate_timeout_s=0.01))
    headers = {"Authorization": f"Bearer {token('read')}"}
    with TestClient(app, base_url="http://localhost", headers=headers) as caller:
        answer = caller.post("/v1/spaces:validate", json={"config": config})
    assert (answer.status_code, answer.json()["code"]) == (422, "undecided")


def test_health_needs_no_token_and_readiness_tells_of_the_planner(client):
    open_headers = {"Authorization": ""}
    assert client.get("/healthz", headers=open_headers).json() == {"alive": True}
    told = client.get("/readyz", headers=open_headers).json()
    assert told["ready"] is True
    assert told["planner"]["is_alive"] is False


def test_a_service_whose_store_is_gone_is_alive_and_not_ready(client, monkeypatch):
    from bayeslaw.store import Transaction

    def gone(*_, **__):
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(Transaction, "forget_answers", gone)
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")


def test_the_description_in_the_docs_is_that_of_the_service(tmp_path, monkeypatch):
    """Write it with `python -m bayeslaw.service.openapi docs/openapi.json`."""
    monkeypatch.setattr("sys.argv", ["openapi", str(tmp_path / "now.json")])
    openapi.main()
    written = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert written == json.loads((tmp_path / "now.json").read_text())


def test_every_route_says_what_it_needs_and_how_it_fails(refusing):
    document = refusing.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    names = []
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            names.append(route["operationId"])
            assert route["summary"] and route["description"], path
            problems = {s for s in route["responses"] if s >= "400"}
            assert {"400", "422"} <= problems, path
            for status in problems:
                (kind,) = route["responses"][status]["content"]
                assert kind == "application/problem+json"
            is_open = path in ("/healthz", "/readyz")
            assert (route["security"] == []) == is_open, path
            if not is_open:
                assert {"401", "403", "429", "503"} <= problems, path
            if method in ("post", "patch", "delete") and path != "/v1/spaces:validate":
                headers = [p["name"] for p in route.get("parameters", []) if p["in"] == "header"]
                assert "Idempotency-Key" in headers, path
    assert len(set(names)) == len(names)


def test_the_page_of_the_api_loads_nothing_from_elsewhere(refusing):
    page = refusing.get("/docs").text
    assert "/v1/studies/{study_id}/runs:suggest" in page
    assert not any(word in page for word in ("src=", "href=", "@import", "<script"))
