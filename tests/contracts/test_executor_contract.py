"""What every executor must do; a new one joins by a line in ``EXECUTORS``."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bayeslaw.errors import NotFoundError, StateError
from bayeslaw.executors import JobHandle, LocalExecutor
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

TINY_LAB = Path(__file__).parents[1] / "executors" / "tiny_lab.py"
COMMAND = [sys.executable, str(TINY_LAB)]


def local(slots):
    return LocalExecutor(slots, command=COMMAND)


def slurm(slots):
    from tests.slurm.cluster import shared_cluster

    from bayeslaw.executors.slurm import SlurmExecutor, SlurmOptions

    shared_cluster()
    return SlurmExecutor(slots, command=COMMAND, options=SlurmOptions(squeue_seconds=0.2))


def ray(slots):
    import ray
    from bayeslaw.executors.ray import RayExecutor

    # A start takes seconds; the executor uses a Ray that is there.
    if not ray.is_initialized():
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=80 * 1024 * 1024,
        )
    return RayExecutor(slots, command=COMMAND, threads=1)


EXECUTORS = [
    local,
    pytest.param(slurm, marks=pytest.mark.slurm),
    pytest.param(ray, marks=pytest.mark.ray),
]
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


@pytest.fixture(params=EXECUTORS)
def executor(request):
    with request.param(2) as executor:
        yield executor


def job(what, run_id="r1"):
    """Ask the tiny lab for something; it takes its orders from the corpus."""
    hyperparameters = Hyperparameters(learning_rate=0.01, batch_tokens=128)
    return Job(run_id, "train", SMALL, n_tokens=1000, hyperparameters=hyperparameters, corpus=what)


def wait_until(condition, seconds=60.0):  # a cluster makes a requeued job wait
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def finish(executor, handle):
    wait_until(lambda: executor.poll(handle).is_over)
    return executor.collect(handle)


def wait_for_file(executor, handle, name):
    """Wait for what a job writes; jobs may move on only when something is polled."""
    wait_until(lambda: executor.poll(handle) and (handle.folder / name).exists())


def starts(folder):
    return len((folder / "starts.txt").read_text().splitlines())


def test_a_job_is_done_and_its_result_collected(executor, tmp_path):
    handle = executor.submit(job("ok"), tmp_path / "r1")
    result = finish(executor, handle)
    assert (result.run_id, result.status, result.loss_nats) == ("r1", "done", 2.5)
    assert executor.collect(handle) == result
    assert executor.poll(handle).phase == "ended"


def test_progress_is_the_last_whole_json_line(executor, tmp_path):
    flag = tmp_path / "flag"
    handle = executor.submit(job(f"flag:{flag}"), tmp_path / "r1")
    wait_until(lambda: executor.poll(handle).progress == {"step": 1})
    wait_until(lambda: executor.poll(handle).phase == "running")
    flag.touch()
    finish(executor, handle)
    assert executor.poll(handle).progress == {"step": 2}


def test_a_job_that_ends_without_a_result_has_failed_with_the_reason(executor, tmp_path):
    result = finish(executor, executor.submit(job("crash"), tmp_path / "r1"))
    assert result.status == "failed"
    assert "code 3" in result.reason
    assert "the disk is on fire" in result.reason


@pytest.mark.parametrize("what", ["nan", "stranger", "no record"])
def test_a_result_that_makes_no_sense_is_a_failed_job(executor, tmp_path, what):
    result = finish(executor, executor.submit(job(what), tmp_path / "r1"))
    assert result.status == "failed"
    assert "result.json" in result.reason


def test_a_job_that_asks_to_be_started_again_is_and_its_starts_are_counted(executor, tmp_path):
    result = finish(executor, executor.submit(job("requeue:2"), tmp_path / "r1"))
    assert (result.status, result.record["attempts"]) == ("done", 3)
    assert starts(tmp_path / "r1") == 3


def test_a_job_told_to_stop_by_somebody_else_goes_on_by_itself(executor, tmp_path):
    handle = executor.submit(job("polite"), tmp_path / "r1")
    wait_for_file(executor, handle, "listening")
    number = (tmp_path / "r1" / "starts.txt").read_text().split()[0]
    os.kill(int(number), signal.SIGTERM)
    result = finish(executor, handle)
    assert (result.status, result.record["attempts"]) == ("done", 2)


def test_a_cancelled_job_is_not_started_again_though_it_asks_for_it(executor, tmp_path):
    handle = executor.submit(job("polite"), tmp_path / "r1")
    wait_for_file(executor, handle, "listening")
    executor.cancel(handle)
    assert executor.poll(handle).phase == "ended"
    result = executor.collect(handle)
    assert (result.status, "cancelled" in result.reason) == ("failed", True)
    assert result.record["attempts"] == starts(tmp_path / "r1") == 1


def test_more_jobs_than_slots_queue_and_all_get_done(executor, tmp_path):
    flag = tmp_path / "flag"
    handles = [
        executor.submit(job(f"flag:{flag}", name), tmp_path / name) for name in ("a", "b", "c")
    ]

    def phases():
        return [executor.poll(handle).phase for handle in handles]

    wait_until(lambda: phases() == ["running", "running", "queued"])
    wait_until(lambda: (tmp_path / "b" / "starts.txt").exists())
    assert phases() == ["running", "running", "queued"]
    assert not (tmp_path / "c" / "starts.txt").exists()
    assert executor.slots == 2
    flag.touch()
    assert [finish(executor, handle).status for handle in handles] == ["done"] * 3


def test_a_finished_job_submitted_again_is_not_run_again(executor, tmp_path):
    finish(executor, executor.submit(job("ok"), tmp_path / "r1"))
    again = executor.submit(job("ok"), tmp_path / "r1")
    assert executor.poll(again).phase == "ended"
    assert executor.collect(again).loss_nats == 2.5
    assert starts(tmp_path / "r1") == 1


def test_a_running_job_submitted_again_is_not_doubled(executor, tmp_path):
    flag = tmp_path / "flag"
    first = executor.submit(job(f"flag:{flag}"), tmp_path / "r1")
    assert executor.submit(job(f"flag:{flag}"), tmp_path / "r1") == first
    flag.touch()
    assert finish(executor, first).status == "done"
    assert starts(tmp_path / "r1") == 1


def test_a_cancelled_job_ends_and_goes_on_when_submitted_again(executor, tmp_path):
    handle = executor.submit(job("checkpoint"), tmp_path / "r1")
    wait_for_file(executor, handle, "checkpoint")
    executor.cancel(handle)
    assert executor.poll(handle).is_over
    result = executor.collect(handle)
    assert (result.status, "cancelled" in result.reason) == ("failed", True)
    assert finish(executor, executor.submit(job("checkpoint"), tmp_path / "r1")).status == "done"


def test_a_queued_job_can_be_cancelled_and_never_starts(executor, tmp_path):
    handles = [executor.submit(job("sleep:60", name), tmp_path / name) for name in ("a", "b", "c")]
    executor.cancel(handles[2])
    assert executor.collect(handles[2]).status == "failed"
    for handle in handles[:2]:
        executor.cancel(handle)
        executor.cancel(handle)  # cancelling twice is harmless
    assert not (tmp_path / "c" / "starts.txt").exists()


def test_a_job_that_is_not_over_cannot_be_collected(executor, tmp_path):
    handle = executor.submit(job("sleep:60"), tmp_path / "r1")
    with pytest.raises(StateError, match="until it is over"):
        executor.collect(handle)


def test_a_folder_holds_one_job(executor, tmp_path):
    finish(executor, executor.submit(job("ok"), tmp_path / "r1"))
    with pytest.raises(StateError, match="holds another job"):
        executor.submit(replace(job("ok"), seed=1), tmp_path / "r1")


def test_an_unknown_job_is_named(executor, tmp_path):
    handle = JobHandle("r9", tmp_path / "r9")
    for ask in (executor.poll, executor.cancel, executor.collect):
        with pytest.raises(NotFoundError, match="r9"):
            ask(handle)
