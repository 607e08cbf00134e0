"""A write is carried out once, however often it is sent."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from bayeslaw.errors import UnavailableError
from bayeslaw.service.app import create_app

SUGGEST = "/v1/studies/tiny/runs:suggest"


def key(name):
    return {"Idempotency-Key": name}


def test_the_same_key_and_body_is_answered_the_same_and_done_once(client, study, config):
    config["name"] = "other"
    body = {"config": config}
    first = client.post("/v1/studies", json=body, headers=key("k"))
    again = client.post("/v1/studies", json=body, headers=key("k"))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.headers["etag"] == again.headers["etag"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


def test_the_same_key_with_another_body_is_refused(client, study, plan):
    plan(2)
    client.post(SUGGEST, json={"worker_id": "a"}, headers=key("k"))
    answer = client.post(SUGGEST, json={"worker_id": "b"}, headers=key("k"))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


def test_keys_of_two_tokens_are_two_keys(client, study, plan, token):
    plan(2)
    other = {"Authorization": f"Bearer {token('plan')}"}
    client.post(SUGGEST, json={"worker_id": "a"}, headers=key("k"))
    answer = client.post(SUGGEST, json={"worker_id": "b"}, headers={**key("k"), **other})
    assert answer.status_code == 200


def test_a_refusal_is_not_remembered(client, study, plan):
    run = f"{study}/runs/r000001"
    body = {"reason": "not wanted"}
    assert client.post(f"{run}:stop", json=body, headers=key("k")).status_code == 404
    plan(1)
    client.post(SUGGEST, json={"worker_id": "a"})
    assert client.post(f"{run}:stop", json=body, headers=key("k")).status_code == 200


@pytest.mark.parametrize("bad", ["", "x" * 201, "tab\tbed"])
def test_a_key_that_cannot_be_kept_is_refused(client, study, bad):
    answer = client.post(SUGGEST, json={"worker_id": "a"}, headers=key(bad))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "header:Idempotency-Key"


def test_one_write_sent_many_times_at_once_is_done_once(store, clock, token, client, study, plan):
    """Whoever comes while the first is under way gets its answer."""
    plan(20)
    headers = {"Authorization": f"Bearer {token('plan')}"}

    async def run():
        app = create_app(store, clock=clock)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as caller,
        ):
            requests = [
                caller.post(
                    SUGGEST, json={"worker_id": f"w{i % 4}"}, headers=headers | key(f"k{i % 4}")
                )
                for i in range(40)
            ]
            return await asyncio.gather(*requests)

    answers = asyncio.run(run())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 4
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 4
    assert len(store.runs("tiny")) == 4


def test_an_answer_that_was_not_written_was_not_given(client, study, plan, store, monkeypatch):
    """The answer and the change are one transaction: without the one there is not the other."""
    plan(1)
    from bayeslaw.store import Transaction

    def full(*_, **__):
        raise UnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "remember", full)
        answer = client.post(SUGGEST, json={"worker_id": "a"}, headers=key("k"))
        assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
        assert answer.headers["retry-after"] == "1"
        assert store.runs("tiny") == []
    answer = client.post(SUGGEST, json={"worker_id": "a"}, headers=key("k"))
    assert len(answer.json()["runs"]) == len(store.runs("tiny")) == 1
