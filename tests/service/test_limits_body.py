import asyncio
import json

import pytest

from bayeslaw.service.limits import BodyLimits

pytestmark = pytest.mark.anyio
LIMITS = {"max_bytes": 100, "max_bulk_bytes": 1000, "max_total_bytes": 2500, "timeout_s": 0.2}


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Seen:
    """An application that answers 200 and notes the body it was given."""

    def __init__(self):
        self.bodies = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope, receive, send):
        message = await receive()
        assert not message.get("more_body")
        self.bodies.append(message.get("body"))
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(app, parts, path="/v1/x", declared=None, pause_s=0.0):
    """Send a body in parts; return status and problem code."""
    left = list(parts)
    sent = []

    async def receive():
        if not left:
            await asyncio.sleep(60)
        await asyncio.sleep(pause_s)
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    n_bytes = declared if declared is not None else sum(map(len, filter(None, parts)))
    headers = [(b"content-length", b"%d" % n_bytes)] if n_bytes else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    await app(scope, receive, send)
    if not sent:
        return None, None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)["code"] if body else None


async def test_a_body_in_parts_comes_as_one():
    app = Seen()
    assert await ask(BodyLimits(app, **LIMITS), [b"a" * 50, b"", b"b" * 50]) == (200, None)
    assert app.bodies == [b"a" * 50 + b"b" * 50]
    assert await ask(BodyLimits(app, **LIMITS), [b""]) == (200, None)


@pytest.mark.parametrize("declared", [None, 10])
async def test_a_body_that_is_too_large_is_refused_whatever_it_declares(declared):
    app = Seen()
    parts = [b"a" * 60] * 100
    guarded = BodyLimits(app, **LIMITS)
    assert await ask(guarded, parts, declared=declared) == (413, "body-too-large")
    assert app.bodies == []
    for _ in range(50):  # what was held is let go of
        await ask(guarded, parts, declared=1)
    assert await ask(guarded, [b"a"]) == (200, None)


async def test_histories_may_be_larger():
    app = Seen()
    guarded = BodyLimits(app, **LIMITS)
    for path in ("/v1/studies/s/runs", "/v1/studies/s/measurements"):
        assert await ask(guarded, [b"a" * 900], path) == (200, None)
        assert await ask(guarded, [b"a" * 1100], path) == (413, "body-too-large")
    for path in ("/v1/studies/s/runs:suggest", "/v1/studies/s/runs/r1", "/x/v1/studies/s/runs"):
        assert await ask(guarded, [b"a" * 900], path) == (413, "body-too-large")


async def test_a_body_that_trickles_is_refused():
    guarded = BodyLimits(Seen(), **LIMITS)
    assert await ask(guarded, [b"a"] * 90, pause_s=0.01) == (408, "body-too-slow")
    assert await ask(guarded, [b"a", b"b"], pause_s=0.01) == (200, None)


async def test_a_caller_who_leaves_is_not_answered():
    app = Seen()
    assert await ask(BodyLimits(app, **LIMITS), [b"a", None]) == (None, None)
    assert app.bodies == []


async def test_all_bodies_together_are_bounded():
    app = Seen()
    app.may_answer.clear()
    guarded = BodyLimits(app, **LIMITS)
    path = "/v1/studies/s/runs"
    held = [asyncio.create_task(ask(guarded, [b"a" * 1000], path)) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert await ask(guarded, [b"a" * 1000], path) == (503, "overloaded")
    app.may_answer.set()
    assert await asyncio.gather(*held) == [(200, None)] * 2
    assert await ask(guarded, [b"a" * 1000], path) == (200, None)
