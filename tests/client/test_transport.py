"""One call: tried again when that helps, never done twice, errors as bayeslaw's own."""

import json
import socket
import time

import pytest

from bayeslaw.client import RetryPolicy
from bayeslaw.client.transport import Transport
from bayeslaw.errors import (
    AccessError,
    BayeslawError,
    InvalidInputError,
    LeaseLostError,
    NotFoundError,
    StateError,
    UnavailableError,
    UndecidedError,
)
from bayeslaw.space import Workload


def test_a_write_is_repeated_under_one_key_until_it_is_answered(transport, scripted):
    scripted.will_break()
    scripted.will(503, b"")
    scripted.will(502, b"<html>bad gateway</html>")
    scripted.will(429, b"")
    scripted.will(200, {"fine": True})
    answer = transport.call("POST", "v1/studies", body={"n": 1, "served": Workload(batch_size=3)})
    assert answer.json() == {"fine": True}
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in scripted.seen}
    bodies = {body for *_, body in scripted.seen}
    assert len(scripted.seen) == 5 and len(keys) == 1 and len(bodies) == 1
    assert json.loads(bodies.pop())["served"]["batch_size"] == 3
    assert scripted.seen[0][2]["Authorization"] == "Bearer secret"


def test_two_writes_have_two_keys_and_a_read_has_none(transport, scripted):
    for _ in range(3):
        scripted.will(200, {})
    transport.call("POST", "v1/x", body={})
    transport.call("POST", "v1/x", body={})
    transport.call("GET", "v1/x", params={"page_token": None, "status": "done"})
    first, second, read = (headers.get("Idempotency-Key") for _, _, headers, _ in scripted.seen)
    assert first and second and first != second and read is None
    assert scripted.seen[2][1] == "/v1/x?status=done"


def test_what_the_server_asks_for_by_retry_after_is_kept(transport, scripted):
    scripted.will(429, b"", Retry_After="1")
    scripted.will(200, {})
    began = time.monotonic()
    transport.call("GET", "v1/x")
    assert 1.0 <= time.monotonic() - began < 3.0


def test_longer_than_its_patience_it_does_not_try(scripted):
    problem = {"status": 503, "code": "overloaded", "detail": "too busy", "todo": "come later"}
    scripted.will(503, problem, Retry_After="60")
    transport = Transport(scripted.url, "t", timeout_s=5.0, policy=RetryPolicy(patience_s=2.0))
    with pytest.raises(UnavailableError, match=r"too busy \(overloaded\): come later"):
        transport.call("GET", "v1/x")
    transport.close()


def test_a_server_that_is_away_is_named_with_the_last_failure():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = held.getsockname()[1]
        policy = RetryPolicy(patience_s=0.2, first_wait_s=0.01, longest_wait_s=0.05)
        transport = Transport(f"http://127.0.0.1:{port}", "t", timeout_s=1.0, policy=policy)
        with pytest.raises(UnavailableError, match=rf":{port}/v1/x in \d+ tries .*ConnectError"):
            transport.call("GET", "v1/x")
        transport.close()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed-json", InvalidInputError),
        (401, "token-unknown", AccessError),
        (403, "scope-missing", AccessError),
        (404, "not-found", NotFoundError),
        (409, "state", StateError),
        (409, "lease-lost", LeaseLostError),
        (412, "changed-meanwhile", StateError),
        (413, "body-too-large", InvalidInputError),
        (422, "invalid-input", InvalidInputError),
        (422, "undecided", UndecidedError),
    ],
)
def test_a_problem_becomes_our_own_error(transport, scripted, status, code, kind):
    scripted.will(
        status,
        {"status": status, "code": code, "detail": "what came", "todo": "what to do"},
        Content_Type="application/problem+json",
    )
    with pytest.raises(kind, match=rf"what came \({code}\): what to do") as caught:
        transport.call("POST", "v1/x", body={})
    assert type(caught.value) is kind


def test_every_place_of_a_wrong_body_is_told(transport, scripted):
    wrong = [
        {"pointer": "/count", "detail": "at most 100"},
        {"pointer": "", "detail": "no object"},
    ]
    scripted.will(422, {"status": 422, "code": "invalid-input", "detail": "no", "errors": wrong})
    with pytest.raises(InvalidInputError, match=r"(?s)/count: at most 100\n  /: no object"):
        transport.call("POST", "v1/x", body={})


def test_another_server_at_that_address_is_told_apart(transport, scripted):
    scripted.will(404, b"<html>nginx</html>")
    with pytest.raises(NotFoundError, match=r"<html>nginx</html>.*is this the address"):
        transport.call("GET", "v1/x")


def test_a_redirect_is_not_followed_with_the_token(transport, scripted):
    scripted.will(302, b"", Location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(BayeslawError, match="status 302"):
        transport.call("GET", "v1/x")
    assert len(scripted.seen) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://there", "http://", "http://host:port"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InvalidInputError):
        Transport(url, "t", timeout_s=1.0, policy=RetryPolicy())


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_a_token_that_is_no_word_is_refused_and_not_shown(token):
    with pytest.raises(InvalidInputError) as caught:
        Transport("http://127.0.0.1:1", token, timeout_s=1.0, policy=RetryPolicy())
    assert token not in str(caught.value)


@pytest.mark.parametrize("body", [{"loss": float("nan")}, {"loss": object()}])
def test_what_json_cannot_say_is_refused_before_it_is_sent(transport, scripted, body):
    with pytest.raises(InvalidInputError, match="JSON has no word"):
        transport.call("POST", "v1/x", body=body)
    assert not scripted.seen
