"""Events are heard once each, over connections that break."""

import itertools
import json

import pytest

from bayeslaw.client import RetryPolicy
from bayeslaw.client.event_stream import follow_events
from bayeslaw.client.transport import Transport
from bayeslaw.errors import AccessError, UnavailableError

EVENT = {"kind": "run_done", "at": "2026-01-31T04:05:06.789Z", "run_id": "r1", "payload": {}}


def stream(*numbers):
    lines = [
        f"id: {n}\nevent: run_done\ndata: {json.dumps({**EVENT, 'seq': n})}\n\n" for n in numbers
    ]
    return (": hello\n\n" + "".join(lines)).encode()


def test_a_broken_stream_goes_on_after_the_last_event_it_told(transport, scripted):
    sse = {"Content_Type": "text/event-stream"}
    scripted.will(200, stream(3, 4), **sse)  # ends: the server went down
    scripted.will_break()
    scripted.will(503, b"")
    scripted.will(200, stream(4, 5), **sse)  # tells one twice
    events = follow_events(transport, "v1/studies/demo/events", 2, {"kind": ["run_done"]})
    assert [event.seq for event in itertools.islice(events, 3)] == [3, 4, 5]
    events.close()
    heard_from = [headers["Last-Event-ID"] for _, _, headers, _ in scripted.seen]
    assert heard_from == ["2", "4", "4", "4"]
    assert scripted.seen[3][1] == "/v1/studies/demo/events?kind=run_done&since=4"


def test_half_an_event_is_not_told(transport, scripted):
    scripted.will(200, stream(1) + b'id: 2\ndata: {"seq"')
    scripted.will(200, stream(2))
    events = follow_events(transport, "v1/events", 0, {})
    assert [event.seq for event in itertools.islice(events, 2)] == [1, 2]
    events.close()


def test_a_refusal_is_told_at_once(transport, scripted):
    problem = {"status": 403, "code": "scope-missing", "detail": "needs read", "todo": "ask"}
    scripted.will(403, json.dumps(problem).encode())
    with pytest.raises(AccessError, match="scope-missing"):
        next(follow_events(transport, "v1/events", 0, {}))


def test_a_server_that_stays_away_is_told_with_where_to_go_on(scripted):
    policy = RetryPolicy(patience_s=0.2, first_wait_s=0.01, longest_wait_s=0.02)
    transport = Transport(scripted.url, "t", timeout_s=1.0, policy=policy)
    scripted.will(200, stream(7))
    for _ in range(1000):
        scripted.will_break()
    with pytest.raises(UnavailableError, match="since=7"):
        list(follow_events(transport, "v1/events", 0, {}))
    transport.close()
    scripted.answers.clear()
