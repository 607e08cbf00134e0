"""What a Ray worker does with a job, shown without Ray."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayeslaw.errors import InvalidInputError, NotFoundError
from bayeslaw.executors import read_options
from bayeslaw.executors.process import start_time
from bayeslaw.executors.ray.claim import read_claim
from bayeslaw.executors.ray.task import run_job
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

LAB = [sys.executable, str(Path(__file__).with_name("steady_lab.py"))]
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
VALUES = {
    "threads": 1, "submission": "s1", "grace_seconds": 5.0, "n_requeues": 0, "max_requeues": 3,
}  # fmt: skip
WORKER = f"""
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as a Ray worker does
from bayeslaw.executors.ray.task import run_job
print(run_job(sys.argv[1], {LAB!r}, **{VALUES!r}))
"""


def write_job(folder, n_steps):
    folder.mkdir()
    hyperparameters = Hyperparameters(learning_rate=0.01, batch_tokens=128)
    Job(
        "r1", "train", SMALL, n_tokens=1000, hyperparameters=hyperparameters, corpus=str(n_steps)
    ).write(folder / "job.json")
    return folder


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def pids(folder):
    """Return the lab's process numbers and its child's, of every start."""
    if not (folder / "starts.txt").exists():
        return []
    return [
        tuple(map(int, line.split())) for line in (folder / "starts.txt").read_text().splitlines()
    ]


@pytest.fixture
def worker(tmp_path):
    """Run a job in a process of its own, as a Ray worker does."""
    workers = []

    def start(folder):
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(folder)], stdout=subprocess.PIPE, text=True
            )
        )
        return workers[-1]

    yield start
    for process in workers:
        process.kill()
        process.communicate()


def test_a_worker_that_is_killed_takes_the_lab_and_its_child_with_it_and_the_next_resumes(
    worker, tmp_path
):
    folder = write_job(tmp_path / "r1", 6)
    killed = worker(folder)
    wait_until((folder / "checkpoint").exists)
    killed.kill()
    wait_until(lambda: all(start_time(pid) is None for pid in pids(folder)[0]))
    assert not (folder / "result.json").exists()
    answer = run_job(str(folder), LAB, **VALUES)
    assert (answer["phase"], (folder / "result.json").exists()) == ("ended", True)
    assert len(pids(folder)) == 2
    steps = [int(line) for line in (folder / "steps.txt").read_text().split()]
    assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6]
    assert len(steps) <= 7, "it did not resume from its checkpoint"
    assert read_claim(folder) == {}


def test_a_worker_ends_what_an_earlier_one_still_runs_on_this_machine(worker, tmp_path):
    folder = write_job(tmp_path / "r1", 8)
    worker(folder)
    wait_until((folder / "checkpoint").exists)
    answer = run_job(str(folder), LAB, **VALUES)
    assert answer["phase"] == "ended"
    assert (folder / "result.json").exists()
    assert not (folder / "doubled").exists()
    assert len(pids(folder)) == 2


def test_a_worker_told_to_end_lets_go_of_the_folder_only_when_its_lab_is_gone(worker, tmp_path):
    folder = write_job(tmp_path / "r1", 600)
    told = worker(folder)
    wait_until((folder / "checkpoint").exists)
    told.terminate()
    wait_until(lambda: read_claim(folder) == {})
    assert all(start_time(pid) is None for pid in pids(folder)[0][:2])
    assert (folder / "told to stop").exists()
    assert told.wait(timeout=20) == 1


def test_an_interrupt_ends_the_job(worker, tmp_path):
    folder = write_job(tmp_path / "r1", 600)
    told = worker(folder)
    wait_until((folder / "checkpoint").exists)
    told.send_signal(signal.SIGINT)
    assert "'reason': 'cancelled'" in told.communicate(timeout=20)[0]
    wait_until(lambda: all(start_time(pid) is None for pid in pids(folder)[0]))
    assert not (folder / "result.json").exists()


def test_a_finished_job_is_not_run_again(tmp_path):
    folder = write_job(tmp_path / "r1", 0)
    (folder / "result.json").write_text("{}")
    assert run_job(str(folder), LAB, **VALUES)["phase"] == "ended"
    assert pids(folder) == []


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(NotFoundError, match=f"not on {os.uname().nodename}"):
        run_job(str(tmp_path / "elsewhere"), LAB, **VALUES)


def test_what_a_file_says_of_ray_is_checked():
    assert read_options("ray", {"address": "auto", "gpus": 0.5, "resources": {"fast": 1}})
    for wrong in ({"gpus": -1}, {"resources": {"fast": 0}}, {"num_cpus": 3}):
        with pytest.raises(InvalidInputError):
            read_options("ray", wrong)
