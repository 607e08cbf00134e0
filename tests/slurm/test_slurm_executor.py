"""What only Slurm does: arrays, GPUs, refusals, a controller that is down, drivers that die."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.slurm.cluster import shared_cluster

from bayeslaw.errors import StateError, UnavailableError
from bayeslaw.executors import LocalExecutor
from bayeslaw.executors.slurm import SlurmExecutor, SlurmOptions
from bayeslaw.executors.slurm.ticket import Ticket
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

pytestmark = pytest.mark.slurm

LAB = [sys.executable, str(Path(__file__).parents[1] / "executors" / "tiny_lab.py")]
DRIVER = [sys.executable, str(Path(__file__).with_name("slurm_driver.py"))]
N_KILLS = 6
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


@pytest.fixture
def cluster():
    return shared_cluster()


def job(what, run_id="r1"):
    hyperparameters = Hyperparameters(learning_rate=0.01, batch_tokens=128)
    return Job(run_id, "train", SMALL, n_tokens=1000, hyperparameters=hyperparameters, corpus=what)


def slurm(slots=1, *, command=LAB, device="cpu", is_timing=False, **options):
    given = SlurmOptions(**{"squeue_seconds": 0.2, **options})
    return SlurmExecutor(slots, command=command, device=device, is_timing=is_timing, options=given)


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def finish(executor, handle):
    wait_until(lambda: executor.poll(handle).is_over)
    return executor.collect(handle)


def n_starts(folder):
    path = folder / "starts.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_jobs_submitted_together_are_one_array(cluster, tmp_path):
    with slurm(3) as executor:
        names = ["a", "b", "it's c"]
        handles = [executor.submit(job("ok", name), tmp_path / name) for name in names]
        assert [finish(executor, handle).status for handle in handles] == ["done"] * 3
    tickets = [Ticket.read(tmp_path / name) for name in names]
    assert len({ticket.job_id for ticket in tickets}) == 1
    assert [ticket.task for ticket in tickets] == [0, 1, 2]


def test_every_job_has_its_own_gpu_and_its_threads(cluster, tmp_path):
    tell = 'echo "$SLURMD_NODENAME $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS" > gpu; sleep 30'
    with slurm(6, command=["sh", "-c", tell], device="cuda") as executor:
        handles = [executor.submit(job("ok", f"r{i}"), tmp_path / f"r{i}") for i in range(6)]
        told = [tmp_path / f"r{i}" / "gpu" for i in range(6)]
        wait_until(lambda: executor.poll(handles[0]) and all(path.exists() for path in told))
        seen = {tuple(path.read_text().split()) for path in told}
    assert seen == {(node, gpu, "1") for node in cluster.nodes for gpu in "01"}


def test_a_timing_has_a_node_to_itself(cluster, tmp_path):
    """Three timings and three nodes: a training that comes next waits for one of them."""
    with slurm(3, is_timing=True) as timing, slurm(1) as training:
        timings = [timing.submit(job("sleep:60", f"t{i}"), tmp_path / f"t{i}") for i in range(3)]
        wait_until(lambda: [timing.poll(handle).phase for handle in timings] == ["running"] * 3)
        trained = training.submit(job("ok"), tmp_path / "r1")
        wait_until(lambda: training.poll(trained).waits_for == "Resources")
        timing.cancel(timings[0])
        assert finish(training, trained).status == "done"


def test_what_slurm_refuses_is_said_in_its_words(cluster, tmp_path):
    with slurm(partition="no-such-place") as executor:
        handle = executor.submit(job("ok"), tmp_path / "r1")
        with pytest.raises(UnavailableError, match=r"refused.*invalid partition"):
            executor.poll(handle)


def test_a_job_that_somebody_cancels_at_slurm_has_failed(cluster, tmp_path):
    with slurm() as executor:
        handle = executor.submit(job("polite"), tmp_path / "r1")
        wait_until(lambda: executor.poll(handle) and (tmp_path / "r1" / "listening").exists())
        cluster.ask("scancel", Ticket.read(tmp_path / "r1").slurm_id)
        result = finish(executor, handle)
    assert "cancelled at Slurm on n" in result.reason
    assert n_starts(tmp_path / "r1") == 1


def test_a_job_that_always_asks_to_be_started_again_comes_to_an_end(cluster, tmp_path):
    with slurm(max_requeues=1) as executor:
        result = finish(executor, executor.submit(job("requeue:999"), tmp_path / "r1"))
    assert "started 2 times" in result.reason and "code 85" in result.reason
    assert n_starts(tmp_path / "r1") == 2


def test_a_controller_that_is_down_is_survived(cluster, tmp_path):
    flag = tmp_path / "flag"
    with slurm(2) as executor:
        first = executor.submit(job(f"flag:{flag}", "a"), tmp_path / "a")
        wait_until(lambda: executor.poll(first).phase == "running")
        cluster.stop_controller()
        second = executor.submit(job("ok", "b"), tmp_path / "b")
        wait_until(lambda: "does not answer" in executor.poll(second).waits_for)
        assert executor.poll(first).phase == "running"
        flag.touch()
        assert finish(executor, first).status == "done"  # its folder says so
        cluster.start_controller()
        assert finish(executor, second).status == "done"
    assert (n_starts(tmp_path / "a"), n_starts(tmp_path / "b")) == (1, 1)


def test_a_job_at_work_on_this_machine_is_not_given_to_slurm_too(cluster, tmp_path):
    with LocalExecutor(command=LAB) as local, slurm() as executor:
        handle = local.submit(job("sleep:60"), tmp_path / "r1")
        wait_until(lambda: n_starts(tmp_path / "r1"))
        with pytest.raises(StateError, match="at work"):
            executor.submit(job("sleep:60"), tmp_path / "r1")
        local.cancel(handle)


def test_drivers_killed_at_random_moments_double_no_job_and_lose_none(cluster, tmp_path):
    chance = random.Random(0)
    for number in range(N_KILLS):
        names = [f"{number}-{i}" for i in range(3)]
        for name in names:
            (tmp_path / name).mkdir()
            job("sleep:1", name).write(tmp_path / name / "wanted.json")
        folders = [tmp_path / name for name in names]
        driver = subprocess.Popen(
            [*DRIVER, *map(str, folders)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with driver:
            assert driver.stdout.readline() == "ready\n"
            driver.stdin.write("go\n")
            driver.stdin.flush()
            # From before sbatch is called until all of them run.
            time.sleep(chance.uniform(0.0, chance.choice([0.05, 0.5])))
            os.kill(driver.pid, signal.SIGKILL)
        with slurm(3) as executor:
            handles = [executor.submit(job("sleep:1", name), tmp_path / name) for name in names]
            assert [finish(executor, handle).status for handle in handles] == ["done"] * 3
        assert [n_starts(folder) for folder in folders] == [1, 1, 1]
