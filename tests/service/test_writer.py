"""The thread that writes: shared commits, refusals alone, failures for all."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bayeslaw.errors import StateError, UnavailableError
from bayeslaw.runs import Run
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.writer import Writer
from bayeslaw.store import Event, StoredRun


@pytest.fixture
def study(store):
    store.create_study("s", {}, at=0.0)
    return "s"


@pytest.fixture
def writer(store):
    opened = Writer(store, max_waiting=20, max_batch=8)
    yield opened
    opened.close()


def add(name):
    def decide(transaction):
        entry = StoredRun(Run(name, n_tokens=1))
        transaction.change("s").put_run(entry, Event("run_planned", 0.0, name))
        return name

    return decide


def add_and_fail(name, error):
    def decide(transaction):
        add(name)(transaction)
        raise error

    return decide


class Held:
    """Keep the writer busy, so that what comes meanwhile waits and shares a commit."""

    def __init__(self, writer):
        self.go_on = threading.Event()
        self.busy = asyncio.create_task(writer.run(lambda _: self.go_on.wait(10)))

    async def __aenter__(self):
        await asyncio.sleep(0.05)

    async def __aexit__(self, *_):
        await asyncio.sleep(0.05)
        self.go_on.set()
        await self.busy


def names(store):
    return sorted(entry.run.run_id for entry in store.runs("s"))


async def outcomes(writer, decides):
    """Return what came of changes that waited together."""
    async with Held(writer):
        tasks = [asyncio.create_task(writer.run(decide)) for decide in decides]
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_changes_that_wait_together_share_a_commit(store, study, writer):
    found = asyncio.run(outcomes(writer, [add(f"r{i}") for i in range(8)]))
    assert found == names(store) == [f"r{i}" for i in range(8)]
    assert (writer.n_commits, writer.n_written) == (2, 9)


def test_a_refused_change_is_undone_alone(store, study, writer):
    refused = add_and_fail("bad", StateError("no"))
    found = asyncio.run(outcomes(writer, [add("a"), refused, add("b")]))
    assert [str(value) for value in found] == ["a", "no", "b"]
    assert names(store) == ["a", "b"]
    assert writer.n_written == 3


def test_one_that_is_alone_is_undone_too(store, study, writer):
    with pytest.raises(StateError):
        asyncio.run(writer.run(add_and_fail("bad", StateError("no"))))
    assert names(store) == []


def test_a_mistake_of_ours_does_not_take_the_others_down(store, study, writer):
    found = asyncio.run(outcomes(writer, [add("a"), add_and_fail("bad", KeyError("oops"))]))
    assert found[0] == "a"
    assert isinstance(found[1], KeyError)
    assert names(store) == ["a"]


def test_a_store_that_fails_halfway_acknowledges_nothing(store, study, writer):
    gone = add_and_fail("x", UnavailableError("the disk is full"))
    found = asyncio.run(outcomes(writer, [add("a"), gone, add("b")]))
    assert all(isinstance(value, UnavailableError) for value in found)
    assert names(store) == []


def test_a_commit_that_fails_acknowledges_nothing(store, study, writer):
    with store.transaction() as transaction:
        if transaction._connection.dialect.name != "sqlite":
            pytest.skip("Postgres checks these keys at once")

    def breaks_the_commit(transaction):
        add("a")(transaction)
        # A foreign key that is checked at the commit.
        transaction._connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        transaction._connection.exec_driver_sql("UPDATE runs SET study_id = 'none'")

    found = asyncio.run(outcomes(writer, [add("b"), breaks_the_commit]))
    assert all(isinstance(value, UnavailableError) for value in found)
    assert names(store) == []
    assert asyncio.run(writer.run(add("c"))) == "c"


def test_more_than_may_wait_are_turned_away(store, study, writer):
    found = asyncio.run(outcomes(writer, [add(f"r{i:02}") for i in range(25)]))
    turned_away = [value for value in found if isinstance(value, ProblemError)]
    assert {(value.status_code, value.code) for value in turned_away} == {(503, "overloaded")}
    assert len(names(store)) == 20 == 25 - len(turned_away)
    assert all("Retry-After" in (value.headers or {}) for value in turned_away)


def test_studies_of_a_commit_are_taken_in_one_order(store, writer):
    order = []

    async def run():
        async with Held(writer):
            tasks = [
                asyncio.create_task(writer.run(lambda _, n=n: order.append(n), study_id=n[0]))
                for n in ("b1", "a1", "b2", "a2")
            ]
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert order == ["a1", "a2", "b1", "b2"]


def test_what_waits_is_written_before_the_end(store, study, writer):
    async def run():
        tasks = [asyncio.create_task(writer.run(add(f"r{i}"))) for i in range(10)]
        await asyncio.sleep(0)
        await asyncio.to_thread(writer.close)
        return await asyncio.gather(*tasks)

    assert sorted(asyncio.run(run())) == names(store)
    with pytest.raises(UnavailableError):
        asyncio.run(writer.run(add("late")))


def test_urgent_changes_go_first_and_leave_others_a_quarter(store, writer):
    commits = []

    async def run():
        async with Held(writer):
            tasks = [
                asyncio.create_task(
                    writer.run(lambda _, n=n: (n, writer.n_commits), is_urgent=n.startswith("u"))
                )
                for n in [*(f"o{i}" for i in range(4)), *(f"u{i}" for i in range(8))]
            ]
        commits.extend(await asyncio.gather(*tasks))

    asyncio.run(run())
    first = {name for name, commit in commits if commit == 1}
    assert first == {"o0", "o1", "u0", "u1", "u2", "u3", "u4", "u5"}
    assert {name for name, commit in commits if commit == 2} == {"o2", "o3", "u6", "u7"}
