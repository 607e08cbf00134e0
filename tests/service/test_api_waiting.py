"""Answers that take a while: suggestions, operations, recommendations."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx
import pytest

from bayeslaw.runs import Run
from bayeslaw.service.app import create_app
from bayeslaw.service.reads import Reads
from bayeslaw.service.schemas.operation import OperationDocument
from bayeslaw.service.schemas.study import EXAMPLE_CONFIG
from bayeslaw.service.watch import Watch
from bayeslaw.space import Architecture
from bayeslaw.store import Event, StoredRun

SUGGEST = "/v1/studies/tiny/runs:suggest"


@pytest.fixture
def planner(store, clock):
    """Answer the only operation that is pending, once there is one."""

    def finish(**answer):
        deadline = time.monotonic() + 20
        while not (pending := store.pending_operations()) and time.monotonic() < deadline:
            time.sleep(0.01)
        (operation,) = pending
        with store.transaction() as transaction:
            transaction.finish_operation(operation.operation_id, at=clock(), **answer)
        return operation

    return finish


def later(work, seconds=0.15):
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


def test_with_nothing_planned_there_is_an_operation(client, study):
    answer = client.post(SUGGEST, json={"worker_id": "w", "count": 2, "max_gpu_hours": 1.5})
    assert answer.status_code == 202
    operation = OperationDocument.model_validate(answer.json()["operation"])
    assert (operation.kind, operation.status) == ("suggest", "pending")
    assert operation.request == {"count": 2, "max_gpu_hours": 1.5, "device": ""}
    assert answer.headers["location"] == f"/v1/operations/{operation.operation_id}"
    assert "retry-after" in answer.headers
    assert client.get(answer.headers["location"]).json() == answer.json()["operation"]


def test_workers_that_wait_share_one_operation(client, study, store):
    for worker in "abc":
        assert client.post(SUGGEST, json={"worker_id": worker}).status_code == 202
    assert len(store.pending_operations()) == 1
    client.post(SUGGEST, json={"worker_id": "d", "max_gpu_hours": 1.0})
    assert len(store.pending_operations()) == 2


def test_a_worker_that_waits_gets_its_run_when_it_is_planned(client, study, plan, planner):
    timer = later(lambda: (plan(1), planner(result={"n_ready": 1, "reason": None})))
    began = time.monotonic()
    answer = client.post(SUGGEST, json={"worker_id": "w", "wait_s": 20})
    timer.join()
    assert len(answer.json()["runs"]) == 1
    assert time.monotonic() - began < 10


def test_a_worker_that_waits_gets_a_run_that_another_gave_back(client, study, store, clock):
    shape = Architecture.from_dict(EXAMPLE_CONFIG["target"]["baseline"])

    def enqueue():
        run = Run("back", n_tokens=5, architecture=shape)
        with store.changing("tiny") as change:
            change.put_run(StoredRun(run), Event("run_planned", clock(), "back"))

    timer = later(enqueue)
    answer = client.post(SUGGEST, json={"worker_id": "w", "wait_s": 20})
    timer.join()
    assert [run["run_id"] for run in answer.json()["runs"]] == ["back"]


def test_a_worker_is_told_when_there_will_be_nothing(client, study, planner):
    reason = {"code": "budget-spent", "detail": "10 of 10 device-hours are spent", "todo": ""}
    timer = later(lambda: planner(result={"n_ready": 0, "reason": reason}))
    answer = client.post(SUGGEST, json={"worker_id": "w", "wait_s": 20})
    timer.join()
    told = {**reason, "passes": False}
    assert (answer.status_code, answer.json()) == (200, {"runs": [], "reason": told})


def test_a_reason_that_passes_is_waited_out(client, study, plan, planner):
    reason = {"code": "waiting-for-results", "detail": "2 of 8 first runs are done", "todo": ""}

    def answer():
        planner(result={"n_ready": 0, "reason": reason})
        later(lambda: plan(1), 0.3)

    timer = later(answer)
    answer = client.post(SUGGEST, json={"worker_id": "w", "wait_s": 20})
    timer.join()
    assert len(answer.json()["runs"]) == 1
    timer = later(lambda: planner(result={"n_ready": 0, "reason": reason}))
    answer = client.post(SUGGEST, json={"worker_id": "x", "wait_s": 0.6})
    timer.join()
    told = {**reason, "passes": True}
    assert (answer.status_code, answer.json()) == (200, {"runs": [], "reason": told})


def test_a_plan_that_is_at_its_end_says_so_until_something_is_learnt(client, study, store, clock):
    reason = {"code": "budget-spent", "detail": "all of it"}
    with store.changing("tiny") as change:
        change.put_view("plan", {"exhausted": reason}, based_on_seq=store.last_seq(), at=clock())
    told = client.post(SUGGEST, json={"worker_id": "w"}).json()["reason"]
    assert told == {**reason, "passes": False}
    done = {"columns": {"n_params": 1e6}, "n_tokens": 5, "status": "done", "loss_nats": 3.0}
    assert client.post(f"{study}/runs", json={"runs": [done]}).status_code == 201
    assert client.post(SUGGEST, json={"worker_id": "w"}).status_code == 202


def test_a_planner_that_failed_is_not_hidden(client, study, planner):
    error = {"status": 422, "code": "not-enough-runs", "detail": "8 are needed", "todo": "train"}
    timer = later(lambda: planner(error=error))
    answer = client.post(SUGGEST, json={"worker_id": "w", "wait_s": 20})
    timer.join()
    assert (answer.status_code, answer.json()["code"]) == (422, "not-enough-runs")


def test_waiting_ends_when_its_time_is_over(client, study):
    began = time.monotonic()
    assert client.post(SUGGEST, json={"worker_id": "w", "wait_s": 0.2}).status_code == 202
    assert 0.2 <= time.monotonic() - began < 5


def test_an_operation_is_waited_for(client, study, planner):
    path = client.post(SUGGEST, json={"worker_id": "w"}).headers["location"]
    timer = later(lambda: planner(result={"n_ready": 1, "reason": None}))
    told = client.get(path, params={"wait_s": 20}).json()
    timer.join()
    assert (told["status"], told["result"]) == ("done", {"n_ready": 1, "reason": None})
    assert [o["status"] for o in client.get(f"{study}/operations").json()["operations"]] == ["done"]


def test_hundreds_that_wait_cost_one_look_at_a_time(store, clock, token, client, study, plan):
    headers = {"Authorization": f"Bearer {token('plan')}"}

    async def run():
        app = create_app(store, clock=clock)
        looks = 0
        ask = app.state.reads.ask

        async def counted(question):
            nonlocal looks
            looks += 1
            return await ask(question)

        app.state.reads.ask = counted
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as caller,
        ):
            waiting = [
                asyncio.create_task(
                    caller.post(SUGGEST, json={"worker_id": f"w{i}", "wait_s": 30}, headers=headers)
                )
                for i in range(100)
            ]
            while app.state.watch.n_waiting < 100:
                await asyncio.sleep(0.01)
            written, looks = app.state.writer.n_written, 0
            await asyncio.sleep(0.5)
            idle = looks, app.state.writer.n_written - written
            await asyncio.to_thread(plan, 100)
            return idle, await asyncio.gather(*waiting)

    (looks, written), answers = asyncio.run(run())
    assert 1 <= looks <= 15
    assert written <= 2  # housekeeping takes its turns
    runs = [answer.json()["runs"][0]["run_id"] for answer in answers]
    assert len(set(runs)) == 100


def test_a_watch_that_is_stopped_lets_everybody_go(store):
    async def run():
        reads = Reads(store)
        watch = Watch(reads)
        waiting = asyncio.create_task(watch.until(lambda news: False, 30))
        await asyncio.sleep(0.05)
        watch.stop()
        found = await asyncio.wait_for(waiting, 5), await watch.until(lambda news: True, 30)
        reads.close()
        return found

    assert asyncio.run(run()) == (False, False)


def test_the_same_question_is_asked_of_the_planner_once(client, study, store, planner):
    path, question = f"{study}/recommendations", {"n_params": 10**6, "limit": ["tpot_ms <= 5"]}
    first, again = (client.get(path, params=question) for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json())
    assert client.get(path, params={"n_params": 2 * 10**6}).json() != first.json()
    with store.transaction() as transaction:
        name = first.json()["operation"]["operation_id"]
        transaction.finish_operation(name, result={"best": 1}, at=0.0)
    assert client.get(path, params=question).json() == {"best": 1}


def test_a_recommendation_is_renewed_when_something_was_learnt(client, study, store, clock):
    def keep(content):
        with store.changing("tiny") as change:
            seq = store.last_seq()
            change.put_view("recommendation", content, based_on_seq=seq, at=clock())

    path = f"{study}/recommendations"
    assert client.get(path).status_code == 202
    keep({"best": 1})
    told = client.get(path).json()
    assert (told["best"], told["is_current"]) == (1, True)
    done = {"columns": {"n_params": 1e6}, "n_tokens": 5, "status": "done", "loss_nats": 3.0}
    client.post(f"{study}/runs", json={"runs": [done]})
    told = client.get(path).json()
    assert (told["best"], told["is_current"]) == (1, False)


def test_a_planner_that_broke_is_asked_again_after_a_while(client, study, planner, clock):
    path = f"{study}/recommendations"
    name = client.get(path).json()["operation"]["operation_id"]
    planner(error={"status": 503, "code": "planner-unavailable", "detail": "it crashed"})
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "planner-unavailable")
    clock.now += 31
    answer = client.get(path)
    assert answer.status_code == 202
    assert answer.json()["operation"]["operation_id"] != name
