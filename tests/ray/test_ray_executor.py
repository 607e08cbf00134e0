"""What only the Ray executor does, on real Rays: workers, nodes and drivers that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayeslaw.errors import StateError, UnavailableError
from bayeslaw.executors import LocalExecutor
from bayeslaw.executors.process import start_time
from bayeslaw.executors.ray import RayExecutor, RayOptions
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

pytestmark = pytest.mark.ray

LAB = [sys.executable, str(Path(__file__).with_name("steady_lab.py"))]
DRIVER = [sys.executable, str(Path(__file__).with_name("ray_driver.py"))]
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
QUIET = {
    "include_dashboard": False, "log_to_driver": False, "configure_logging": False,
    "object_store_memory": 80 * 1024 * 1024,
}  # fmt: skip


def job(n_steps, run_id="r1"):
    hyperparameters = Hyperparameters(learning_rate=0.01, batch_tokens=128)
    return Job(
        run_id, "train", SMALL, n_tokens=1000, hyperparameters=hyperparameters, corpus=str(n_steps)
    )


def wait_until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def finish(executor, handle):
    wait_until(lambda: executor.poll(handle).is_over)
    return executor.collect(handle)


def starts(folder):
    """Return of every start the numbers of the lab, its child and the Ray worker."""
    if not (folder / "starts.txt").exists():
        return []
    return [
        tuple(map(int, line.split())) for line in (folder / "starts.txt").read_text().splitlines()
    ]


def is_gone(pid):
    return start_time(pid) is None


def assert_done_once(folder, result, n_starts):
    """One lab at a time, each step of the work done, and done again only where a kill fell."""
    assert result.status == "done"
    assert not (folder / "doubled").exists()
    assert len(starts(folder)) == result.record["attempts"] == n_starts
    steps = [int(line) for line in (folder / "steps.txt").read_text().split()]
    assert sorted(set(steps)) == list(range(1, max(steps) + 1))
    # A kill between a step and its checkpoint has that one step done again.
    assert len(steps) <= max(steps) + n_starts - 1


@pytest.fixture(scope="module")
def address():
    """Start a Ray with two CPUs and a GPU that it only believes in, and connect to it."""
    ray = pytest.importorskip("ray")
    ray.shutdown()  # the contract suite leaves one
    ray.init(address="local", num_cpus=2, num_gpus=1, **QUIET)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_a_killed_worker_takes_its_lab_with_it_and_the_job_resumes(address, tmp_path):
    with RayExecutor(command=LAB, threads=1) as executor:
        handle = executor.submit(job(40), tmp_path / "r1")
        for n_starts in (1, 2):
            wait_until(lambda n=n_starts: len(starts(tmp_path / "r1")) == n)
            time.sleep(0.25)
            lab, child, worker = starts(tmp_path / "r1")[-1]
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda lab=lab, child=child: is_gone(lab) and is_gone(child), seconds=5)
        result = finish(executor, handle)
    assert_done_once(tmp_path / "r1", result, n_starts=3)


def test_a_job_whose_workers_keep_dying_is_lost_and_says_so(address, tmp_path):
    with RayExecutor(command=LAB, threads=1, options=RayOptions(max_retries=0)) as executor:
        handle = executor.submit(job(600), tmp_path / "r1")
        wait_until(lambda: starts(tmp_path / "r1"))
        os.kill(starts(tmp_path / "r1")[0][2], signal.SIGKILL)
        wait_until(lambda: executor.poll(handle).is_over)
        assert executor.poll(handle).phase == "lost"
        assert "0 retries allowed" in executor.collect(handle).reason


def test_a_driver_that_is_killed_doubles_no_job_when_it_is_submitted_again(address, tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    job(12).write(folder / "wanted.json")
    driver = subprocess.Popen([*DRIVER, str(folder), address], stdout=subprocess.PIPE)
    try:
        wait_until(lambda: starts(folder))
    finally:
        driver.kill()
        driver.communicate()
    with RayExecutor(command=LAB, threads=1) as executor:
        result = finish(executor, executor.submit(job(12), folder))
    assert_done_once(folder, result, n_starts=2)


def test_a_driver_told_to_end_takes_its_job_with_it(address, tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    job(600).write(folder / "wanted.json")
    driver = subprocess.Popen([*DRIVER, str(folder), address], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: starts(folder))
        driver.terminate()
        assert driver.wait(timeout=60) != 0
    finally:
        driver.kill()
        driver.wait()
    assert all(is_gone(pid) for pid in starts(folder)[0][:2])


def test_cancelling_ends_the_lab_and_its_child_before_it_returns(address, tmp_path):
    with RayExecutor(2, command=LAB, threads=1) as executor:
        handles = [executor.submit(job(600, name), tmp_path / name) for name in "ab"]
        wait_until(lambda: all(starts(tmp_path / name) for name in "ab"))
        executor.cancel(handles[0])
        assert all(is_gone(pid) for pid in starts(tmp_path / "a")[0][:2])
        assert executor.poll(handles[1]).phase == "running"
    # Leaving the block cancels the other; on another's connection it stays connected.
    assert all(is_gone(pid) for pid in starts(tmp_path / "b")[0][:2])


def test_a_job_gets_the_gpus_and_threads_it_asks_for(address, tmp_path):
    show = ["sh", "-c", "echo GPU $CUDA_VISIBLE_DEVICES threads $OMP_NUM_THREADS >&2; exit 3"]
    with RayExecutor(command=show, threads=2, options=RayOptions(gpus=0.5)) as executor:
        result = finish(executor, executor.submit(job(1), tmp_path / "r1"))
    assert "GPU 0 threads 2" in result.reason


def test_a_job_that_no_node_has_room_for_waits(address, tmp_path):
    with RayExecutor(
        command=LAB, threads=1, options=RayOptions(resources={"teapot": 1})
    ) as executor:
        handle = executor.submit(job(1), tmp_path / "r1")
        time.sleep(1.0)
        assert executor.poll(handle).phase == "queued"
        executor.cancel(handle)
        assert executor.collect(handle).reason.startswith("cancelled before it started")


def test_a_node_that_does_not_see_the_folder_is_named(address, tmp_path):
    with RayExecutor(2, command=LAB, threads=2) as executor:
        first = executor.submit(job(10, "first"), tmp_path / "first")
        handle = executor.submit(job(1, "second"), tmp_path / "second")
        (tmp_path / "second" / "job.json").unlink()  # as if it were on another disk
        result = finish(executor, handle)
        assert finish(executor, first).status == "done"
    assert result.status == "failed"
    assert "Ray's nodes must all see" in result.reason


def test_a_timing_takes_a_node_for_itself(address, tmp_path):
    with RayExecutor(2, command=LAB, threads=1, is_timing=True) as executor:
        handles = [executor.submit(job(5, name), tmp_path / name) for name in "ab"]
        wait_until(lambda: starts(tmp_path / "a") or starts(tmp_path / "b"))
        assert sorted(executor.poll(handle).phase for handle in handles) == ["queued", "running"]
        assert [finish(executor, handle).status for handle in handles] == ["done"] * 2


def test_a_job_that_a_local_executor_still_runs_is_not_doubled(address, tmp_path):
    local = LocalExecutor(command=LAB, threads=1)
    handle = local.submit(job(600), tmp_path / "r1")
    wait_until(lambda: starts(tmp_path / "r1"))
    with RayExecutor(command=LAB, threads=1) as executor, pytest.raises(StateError, match="no Ray"):
        executor.submit(job(600), tmp_path / "r1")
    local.cancel(handle)


def test_a_node_that_dies_takes_its_lab_with_it_and_the_job_resumes_on_another(tmp_path):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    ray.shutdown()
    store = {"object_store_memory": QUIET["object_store_memory"]}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **store}
    )
    try:
        first = cluster.add_node(num_cpus=1, **store)
        with RayExecutor(
            command=LAB, threads=1, options=RayOptions(address=cluster.address)
        ) as executor:
            handle = executor.submit(job(40), tmp_path / "r1")
            wait_until((tmp_path / "r1" / "checkpoint").exists)
            cluster.remove_node(first, allow_graceful=False)
            wait_until(lambda: all(is_gone(pid) for pid in starts(tmp_path / "r1")[0]))
            assert not executor.poll(handle).is_over
            cluster.add_node(num_cpus=1, **store)
            result = finish(executor, handle)
        assert_done_once(tmp_path / "r1", result, n_starts=2)
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_a_cluster_of_its_own_is_started_when_needed_and_ended(tmp_path):
    ray = pytest.importorskip("ray")
    ray.shutdown()
    executor = RayExecutor(command=LAB, threads=1)
    assert not ray.is_initialized()
    handle = executor.submit(job(1), tmp_path / "r1")
    assert ray.cluster_resources()["CPU"] == 1
    assert finish(executor, handle).status == "done"
    executor.close()
    assert not ray.is_initialized()
    with pytest.raises(UnavailableError, match="asks for 64 GPU"):
        RayExecutor(command=LAB, threads=1, options=RayOptions(gpus=64)).submit(
            job(1), tmp_path / "r2"
        )
    assert not ray.is_initialized()


def test_ctrl_c_ends_the_lab_politely_though_ray_hears_it_too(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    job(600).write(folder / "wanted.json")
    driver = subprocess.Popen(
        [*DRIVER, str(folder)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: starts(folder))
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        assert driver.wait(timeout=60) == -signal.SIGINT
    finally:
        driver.kill()
        driver.wait()
    assert (folder / "told to stop").exists()
    assert all(is_gone(pid) for pid in starts(folder)[0])


def test_a_killed_driver_takes_a_cluster_of_its_own_with_it_labs_included(tmp_path):
    folder = tmp_path / "r1"
    folder.mkdir()
    job(600).write(folder / "wanted.json")
    driver = subprocess.Popen([*DRIVER, str(folder)], stdout=subprocess.PIPE)
    try:
        wait_until(lambda: starts(folder))
    finally:
        driver.kill()
        driver.communicate()
    wait_until(lambda: all(is_gone(pid) for pid in starts(folder)[0]))


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnavailableError, match="no Ray cluster at"):
        RayExecutor(command=LAB, options=RayOptions(address="127.0.0.1:1")).submit(
            job(1), tmp_path / "r1"
        )
