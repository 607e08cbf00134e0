"""What a worker sees of a service that answers late, or not at all."""

import itertools
import json
import time

import pytest

from bayeslaw.client import HeldRun, RemoteStudy
from bayeslaw.client.types import RunDocument
from bayeslaw.errors import LeaseLostError, UnavailableError

RUN = {
    "run_id": "r1", "study_id": "demo", "status": "leased", "purpose": "suggested",
    "n_tokens": 1000, "architecture": None, "loss_nats": None, "loss_stderr": None,
    "cost_gpu_hours": None, "reason": "", "superseded": "", "columns": {}, "record": {},
    "lease": None, "n_lost": 0, "is_late": False, "version": 1,
}  # fmt: skip
ASKED = {
    "operation_id": "suggest-1", "kind": "suggest", "study_id": "demo", "status": "pending",
    "request": {}, "result": None, "error": None, "created_at": "2026-01-31T04:05:06.789Z",
    "finished_at": None,
}  # fmt: skip
PASSES = {"code": "waiting-for-results", "detail": "8 runs are under way", "passes": True}
ENDS = {"code": "budget-spent", "detail": "0.25 of 0.25 device-hours are spent", "passes": False}


@pytest.fixture
def study(transport):
    return RemoteStudy(transport, "demo")


def test_a_worker_waits_through_planning_and_what_passes(study, scripted):
    scripted.will(202, {"operation": ASKED}, Retry_After="0")
    scripted.will(200, {"runs": [], "reason": PASSES})
    scripted.will(200, {"runs": [RUN]})
    assert [run.run_id for run in study.suggest("w", wait_s=200)] == ["r1"]
    waits = [json.loads(body)["wait_s"] for *_, body in scripted.seen]
    assert waits[0] == 60 and all(59 < wait_s <= 60 for wait_s in waits)
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in scripted.seen}
    assert len(keys) == 3, "each is a new question"


def test_without_time_left_it_says_why_there_is_nothing(study, scripted):
    scripted.will(202, {"operation": ASKED}, Retry_After="1")
    nothing = study.suggest("w")
    assert (len(nothing), nothing.reason.code, nothing.reason.passes) == (0, "planning", True)
    scripted.will(200, {"runs": [], "reason": ENDS})
    assert study.suggest("w", wait_s=200).reason.code == "budget-spent", "it does not wait for that"


def test_a_heartbeat_that_fails_is_sent_again_soon_and_stops_nothing(study, scripted):
    scripted.will_break()
    scripted.will(503, b"")
    scripted.will(200, {"run": RUN, "should_stop": False, "reason": ""})
    for _ in range(50):
        scripted.will(409, {"status": 409, "code": "lease-lost", "detail": "it is w2's"})
    held = HeldRun(study, RunDocument.model_validate(RUN), "w", lease_s=0.3)
    deadline = time.monotonic() + 10
    while not held.is_lost:
        if len(scripted.seen) <= 3:
            held.check()  # still ours, as far as we know
        assert time.monotonic() < deadline
        time.sleep(0.005)
    held.close()
    with pytest.raises(LeaseLostError, match="it is w2's"):
        held.check()
    paths = [path for _, path, *_ in itertools.islice(scripted.seen, 4)]
    assert paths == ["/v1/studies/demo/runs/r1:heartbeat"] * 4
    assert "Idempotency-Key" not in scripted.seen[0][2], "twice is no harm"
    scripted.answers.clear()


def test_an_answer_of_another_version_is_said_to_be_one(study, scripted):
    scripted.will(200, {"runs": "none"})
    with pytest.raises(
        UnavailableError, match=r"no Suggested .*runs: Input should be a valid array"
    ):
        study.suggest("w")


def test_what_ended_a_block_is_told_though_the_service_refuses_to_hear_of_it(
    study, scripted, caplog
):
    scripted.will(200, {"runs": [RUN]})
    scripted.will(409, {"status": 409, "code": "lease-lost", "detail": "it is w2's"})
    with pytest.raises(ZeroDivisionError), study.working("w"):
        raise ZeroDivisionError
    assert scripted.seen[1][1].endswith("r1:abandon")
    assert "was not given up" in caplog.text and "it is w2's" in caplog.text
