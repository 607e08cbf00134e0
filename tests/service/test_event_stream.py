import contextlib
import json
import threading
import time

import httpx
import pytest
from tests.service.serving import served

from bayeslaw.runs import Run
from bayeslaw.service.app import create_app
from bayeslaw.service.settings import Settings
from bayeslaw.service.tokens import create_token, revoke_token
from bayeslaw.space import Architecture
from bayeslaw.store import SqlStore
from bayeslaw.study.state import StudyState

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
SETTINGS = Settings(
    stream_keep_alive_s=0.2, stream_send_timeout_s=0.5, max_streams=3, token_trust_s=0.1
)


class World:
    def __init__(self, store):
        self.store = store
        self.state = StudyState.create(store, "s", {})
        self.token, secret = create_token(store, "reader", ["read"], at=time.time())
        self.headers = {"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"}
        self.app = create_app(store, settings=SETTINGS)
        self.n_runs = 0

    def add_runs(self, n_runs, reason=""):
        first = self.n_runs
        self.n_runs += n_runs
        self.state.add_runs(
            Run(f"r{i}", n_tokens=1000 + i, architecture=SMALL, status="planned", reason=reason)
            for i in range(first, self.n_runs)
        )

    @contextlib.contextmanager
    def stream(self, path="/v1/studies/s/events", **headers):
        with httpx.Client(base_url=self.url, timeout=20) as client:
            with client.stream("GET", path, headers={**self.headers, **headers}) as answer:
                yield answer

    def n_streams(self):
        return self.app.state.streams.n_taken


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with SqlStore(tmp_path_factory.mktemp("stream") / "study.db") as store:
        world = World(store)
        with served(world.app, lifespan="on") as (host, port):
            world.url = f"http://{host}:{port}"
            yield world


def read(answer, n_events, lines=None):
    """Return so many events: (id, kind, document)."""
    lines = lines or answer.iter_lines()
    events, event = [], {}
    while len(events) < n_events:
        line = next(lines)
        name, _, value = line.partition(": ")
        if name in ("id", "event", "data"):
            event[name] = value
        elif not line and event:
            events.append((int(event["id"]), event["event"], json.loads(event["data"])))
            event = {}
    return events


def wait_until(is_so, timeout_s=20.0):
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < timeout_s
        time.sleep(0.01)


def test_a_stream_tells_the_past_and_then_what_happens_in_order_without_a_gap(world):
    world.add_runs(450)  # more than a page
    first = world.store.events("s", limit=1)[0].seq
    with world.stream() as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        n_past = len(world.store.events("s"))
        told = read(answer, n_past, lines)
        began = time.monotonic()
        world.add_runs(3)
        told += read(answer, 3, lines)
        assert time.monotonic() - began < 5
    stored = world.store.events("s")
    assert [seq for seq, _, _ in told] == [event.seq for event in stored]
    assert told[0][:2] == (first, "study_created") and told[-1][1] == "run_planned"
    assert told[-1][2]["run_id"] == "r452" and told[-1][2]["seq"] == told[-1][0]
    wait_until(lambda: world.n_streams() == 0)


def test_a_stream_goes_on_where_it_was_cut_off_and_may_be_narrowed(world):
    world.add_runs(3)
    last = world.store.events("s")[-1].seq
    with world.stream(**{"Last-Event-ID": str(last - 2)}) as answer:
        assert [event[0] for event in read(answer, 2)] == [last - 1, last]
    with world.stream("/v1/studies/s/events?run_id=r1") as answer:
        assert {event[2]["run_id"] for event in read(answer, 1)} == {"r1"}
    with world.stream(f"/v1/studies/s/events?since={last}&kind=run_leased") as answer:
        world.add_runs(2)
        [leased] = world.state.suggest("w")
        assert [event[2]["run_id"] for event in read(answer, 1)] == [leased.run.run_id]


def test_a_silent_stream_shows_that_it_lives(world):
    last = world.store.events("s")[-1].seq
    with world.stream(f"/v1/studies/s/events?since={last}") as answer:
        lines = answer.iter_lines()
        began = time.monotonic()
        assert [next(lines) for _ in range(3)][-1] == ": still here"
        assert time.monotonic() - began < 5


def test_a_study_that_is_not_there_has_no_stream(world):
    with world.stream("/v1/studies/nobody/events") as answer:
        assert answer.status_code == 404 and "problem+json" in answer.headers["content-type"]


def test_streams_are_bounded_and_a_slot_is_free_again(world):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            assert stack.enter_context(world.stream()).status_code == 200
        with world.stream() as answer:
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    wait_until(lambda: world.n_streams() == 0)
    with world.stream() as answer:
        assert answer.status_code == 200


def test_a_stream_ends_soon_after_its_token_was_revoked(world):
    token, secret = create_token(world.store, "other", ["read"], at=time.time())
    with world.stream(Authorization=f"Bearer {secret}") as answer:
        lines = answer.iter_lines()
        read(answer, 1, lines)
        began = time.monotonic()
        revoke_token(world.store, token.token_id, at=time.time())
        assert ": the token has ended" in list(lines)
        assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_reader_that_does_not_read_costs_little_and_is_left(world):
    world.add_runs(2000, reason="x" * 2000)
    with world.stream() as answer:
        assert answer.status_code == 200
        wait_until(lambda: world.n_streams() == 0)
        # What is on its way between us is all that was kept for it.
        text = b""
        with contextlib.suppress(httpx.HTTPError):
            for part in answer.iter_raw():
                text += part
    assert b"study_created" in text and f'"r{world.n_runs - 1}"'.encode() not in text


def test_streams_end_in_good_order_when_the_service_does(tmp_path):
    with SqlStore(tmp_path / "study.db") as store:
        world = World(store)
        ended = []

        def listen():
            with world.stream() as answer:
                listening.set()
                ended.extend(answer.iter_lines())

        listening, thread = threading.Event(), threading.Thread(target=listen)
        with served(world.app, lifespan="on") as (host, port):
            world.url = f"http://{host}:{port}"
            thread.start()
            listening.wait(5)
            began = time.monotonic()
        thread.join(5)
        assert ended[-2] == ": the service is ending" and time.monotonic() - began < 9
