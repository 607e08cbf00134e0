import time

import pytest

from bayeslaw.errors import UnavailableError
from bayeslaw.runs import Run
from bayeslaw.service.app import create_app
from bayeslaw.service.housekeeping import Housekeeping
from bayeslaw.space import Architecture
from bayeslaw.store import Answer, SteadyClock
from bayeslaw.study.state import StudyState

pytestmark = pytest.mark.anyio
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Elapsed:
    s = 0.0

    def __call__(self):
        return self.s


class World:
    """A service that nobody calls, whose time passes when it is told."""

    def __init__(self, store, wall=1e9):
        self.elapsed = Elapsed()
        self.clock = SteadyClock(wall=lambda: wall, elapsed=self.elapsed)
        self.app = create_app(store, clock=self.clock)
        self.metrics = self.app.state.metrics
        self.parts = self.app.state.parts
        self.housekeeping = Housekeeping(self.parts, self.metrics)

    def study(self, name, n_runs):
        state = StudyState.create(self.parts.store, name, {}, clock=self.clock)
        state.add_runs(
            Run(f"r{i}", n_tokens=1000 + i, architecture=SMALL, status="planned")
            for i in range(n_runs)
        )
        return state

    def close(self):
        self.parts.writer.close()
        self.parts.reads.close()
        self.app.state.authenticator.close()


@pytest.fixture
def world(store):
    world = World(store)
    yield world
    world.close()


async def test_leases_that_ran_out_are_taken_back_in_all_studies_and_no_others(world):
    a, b = world.study("a", 2), world.study("b", 2)
    for state in (a, b):
        state.suggest("w1", lease_seconds=60)
        state.suggest("w2", lease_seconds=600)
    world.elapsed.s = 59
    assert await world.housekeeping.turn() == 0
    world.elapsed.s = 61
    assert await world.housekeeping.turn() == 2
    for state in (a, b):
        assert state.status()["runs"] == {"planned": 1, "leased": 1}
    assert b"bayeslaw_leases_expired_total 2.0" in world.metrics.text()
    assert await world.housekeeping.turn() == 0


async def test_a_turn_is_bounded_and_the_next_one_goes_on(world):
    state = world.study("a", 150)
    state.suggest("w", count=100, lease_seconds=60)
    state.suggest("x", count=50, lease_seconds=60)
    world.elapsed.s = 61
    assert [await world.housekeeping.turn() for _ in range(3)] == [100, 50, 0]


async def test_a_wall_clock_that_is_set_changes_no_lease(world, monkeypatch):
    state = world.study("a", 1)
    state.suggest("w", lease_seconds=60)
    for jump_s in (-86_400, 86_400):
        monkeypatch.setattr(time, "time", lambda jump_s=jump_s: 1e9 + jump_s)
        assert await world.housekeeping.turn() == 0
    monkeypatch.setattr(time, "time", lambda: 1e9 - 86_400)
    world.elapsed.s = 61
    assert await world.housekeeping.turn() == 1


async def test_a_lease_from_before_the_clock_was_set_back_ends_in_its_time(store):
    before = World(store, wall=1e9 + 86_400)
    before.study("a", 1).suggest("w", lease_seconds=60)
    before.close()
    after = World(store)
    try:
        state = StudyState(store, "a", clock=after.clock)
        await after.housekeeping.turn()
        assert state.status()["runs"] == {"leased": 1}
        after.elapsed.s = 59
        await after.housekeeping.turn()
        assert state.status()["runs"] == {"leased": 1}
        after.elapsed.s = 61
        await after.housekeeping.turn()
        assert state.status()["runs"] == {"planned": 1}
        assert b"bayeslaw_leases_expired_total 1.0" in after.metrics.text()
    finally:
        after.close()


async def test_answers_are_forgotten_after_a_day_and_not_before(world, store):
    answer = Answer("f", 200, {}, "{}")
    with store.transaction() as tx:
        tx.remember("token", "key", answer, at=world.clock())

    async def is_known_after(elapsed_s):
        world.elapsed.s = elapsed_s
        await world.housekeeping.turn()
        with store.transaction() as tx:
            return tx.answer("token", "key") is not None

    assert await is_known_after(0)
    assert await is_known_after(86_399)
    assert not await is_known_after(86_461)


async def test_it_outlives_a_store_that_is_gone_for_a_while(world, caplog):
    import asyncio

    state = world.study("a", 1)
    state.suggest("w", lease_seconds=60)
    world.elapsed.s = 61
    settings = world.parts.settings.model_copy(update={"housekeeping_interval_s": 0.01})
    object.__setattr__(world.parts, "settings", settings)
    ask, n_failed = world.parts.reads.ask, 0

    async def fail(question):
        nonlocal n_failed
        n_failed += 1
        raise UnavailableError("cannot use the store: gone")

    object.__setattr__(world.parts.reads, "ask", fail)
    task = asyncio.create_task(world.housekeeping.run())
    while n_failed < 5:
        await asyncio.sleep(0.01)
    object.__setattr__(world.parts.reads, "ask", ask)
    while state.status()["runs"] != {"planned": 1}:
        await asyncio.sleep(0.01)
    task.cancel()
    warnings = [record for record in caplog.records if "housekeeping failed" in record.message]
    assert len(warnings) == 1  # not one a second
