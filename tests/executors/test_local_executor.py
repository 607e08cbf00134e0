"""What only the local executor does: threads, process groups, drivers that are killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.executors import LocalExecutor, process
from bayeslaw.executors.process import PID_FILE, start_time
from bayeslaw.runs import ATTEMPT_VARIABLE, REQUEUE_EXIT_CODE, Hyperparameters, Job
from bayeslaw.space import Architecture

LAB = [sys.executable, str(Path(__file__).with_name("tiny_lab.py"))]
DRIVER = [sys.executable, str(Path(__file__).with_name("killed_driver.py"))]
N_KILLS = 10
SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)


def job(what, run_id="r1"):
    hyperparameters = Hyperparameters(learning_rate=0.01, batch_tokens=128)
    return Job(run_id, "train", SMALL, n_tokens=1000, hyperparameters=hyperparameters, corpus=what)


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def finish(executor, handle):
    wait_until(lambda: executor.poll(handle).is_over)
    return executor.collect(handle)


def starts(folder):
    """Return the process number, threads of the job and OMP_NUM_THREADS of every start."""
    if not (folder / "starts.txt").exists():
        return []
    lines = (folder / "starts.txt").read_text().splitlines()
    return [tuple(map(int, line.split())) for line in lines]


def is_gone(pid):
    return start_time(pid) is None


@pytest.fixture
def driver(tmp_path):
    """Start drivers that wait for the word, and see that none is left."""
    drivers = []

    def start(manner, jobs):
        folders = []
        for entry in jobs:
            folder = tmp_path / entry.run_id
            folder.mkdir(exist_ok=True)
            entry.write(folder / "wanted.json")
            folders.append(str(folder))
        started = subprocess.Popen(
            [*DRIVER, manner, *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        drivers.append(started)
        assert started.stdout.readline() == "ready\n"
        started.stdin.write("go\n")
        started.stdin.flush()
        return started

    yield start
    for started in drivers:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("slots", [1, 2])
def test_the_cores_are_shared_between_the_slots(slots, tmp_path):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with LocalExecutor(slots, command=LAB) as executor:
        finish(executor, executor.submit(job("ok"), tmp_path / "r1"))
    expected = max(1, cores // slots)
    ((_, threads, omp_threads),) = starts(tmp_path / "r1")
    assert (threads, omp_threads) == (expected, expected)


@pytest.mark.parametrize("options", [{"slots": 0}, {"threads": 0}, {"command": "python lab.py"}])
def test_senseless_options_are_refused(options):
    with pytest.raises(InvalidInputError):
        LocalExecutor(**options)


def test_each_job_has_a_gpu_of_its_own_also_next_to_one_taken_over(tmp_path):
    tell = ["sh", "-c", "echo $CUDA_VISIBLE_DEVICES > seen; sleep 60"]

    def seen(name):
        path = tmp_path / name / "seen"
        return path.exists() and path.read_text().strip()

    first = LocalExecutor(2, command=tell, gpus=["3", "5"])
    first.submit(job("ok", "a"), tmp_path / "a")
    wait_until(lambda: seen("a"))
    first.close()
    with LocalExecutor(2, command=tell, gpus=["3", "5"]) as second:
        second.submit(job("ok", "a"), tmp_path / "a")
        second.submit(job("ok", "b"), tmp_path / "b")
        wait_until(lambda: seen("b"))
        assert (seen("a"), seen("b")) == ("3", "5")


def test_more_slots_than_gpus_are_refused():
    with pytest.raises(InvalidInputError, match="GPU of its own"):
        LocalExecutor(3, command=LAB, gpus=["0", "1"])


def test_a_command_that_does_not_exist_is_a_failed_job(tmp_path):
    with LocalExecutor(command=["no-such-lab"]) as executor:
        result = finish(executor, executor.submit(job("ok"), tmp_path / "r1"))
    assert "no-such-lab" in result.reason


def test_cancelling_ends_the_children_of_a_job_too(tmp_path):
    with LocalExecutor(command=LAB) as executor:
        handle = executor.submit(job("child"), tmp_path / "a folder")
        pid_file = tmp_path / "a folder" / "child.pid"
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        executor.cancel(handle)
    wait_until(lambda: is_gone(int(pid_file.read_text())))


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); open('up', 'w'); time.sleep(60)"
    )
    with LocalExecutor(command=[sys.executable, "-c", stubborn], grace_seconds=0.2) as executor:
        handle = executor.submit(job("ok"), tmp_path / "r1")
        wait_until((tmp_path / "r1" / "up").exists)
        began = time.monotonic()
        executor.cancel(handle)
        assert 0.2 <= time.monotonic() - began < 5
        assert executor.collect(handle).reason.startswith("cancelled")


def test_a_job_that_is_killed_says_so(tmp_path):
    with LocalExecutor(command=LAB) as executor:
        handle = executor.submit(job("sleep:60"), tmp_path / "r1")
        wait_until(lambda: starts(tmp_path / "r1"))
        os.kill(starts(tmp_path / "r1")[0][0], signal.SIGKILL)
        result = finish(executor, handle)
    assert "SIGKILL; often the system had no memory left" in result.reason


def test_leaving_the_block_cancels_what_runs(tmp_path):
    with LocalExecutor(command=LAB) as executor:
        executor.submit(job("sleep:60"), tmp_path / "r1")
        wait_until(lambda: starts(tmp_path / "r1"))
    assert is_gone(starts(tmp_path / "r1")[0][0])


def test_a_running_job_is_taken_over_by_the_next_executor(tmp_path):
    flag = tmp_path / "flag"
    first = LocalExecutor(command=LAB)
    first.submit(job(f"flag:{flag}"), tmp_path / "r1")
    wait_until(lambda: starts(tmp_path / "r1"))
    first.close()
    with LocalExecutor(command=LAB) as second:
        handle = second.submit(job(f"flag:{flag}"), tmp_path / "r1")
        assert second.poll(handle).phase == "running"
        flag.touch()
        assert finish(second, handle).status == "done"
    assert len(starts(tmp_path / "r1")) == 1


@pytest.mark.skipif(not shutil.which("ps"), reason="there is no ps")
def test_without_proc_jobs_are_found_again_by_ps(tmp_path, monkeypatch):
    launcher = process._LAUNCHER.replace("/proc/", "/nowhere/")
    monkeypatch.setattr(process, "_LAUNCHER", launcher)
    monkeypatch.setattr(process, "_PROC", Path("/nowhere"))
    flag = tmp_path / "flag"
    first = LocalExecutor(command=LAB)
    first.submit(job(f"flag:{flag}"), tmp_path / "r1")
    wait_until(lambda: starts(tmp_path / "r1"))
    first.close()
    with LocalExecutor(command=LAB) as second:
        handle = second.submit(job(f"flag:{flag}"), tmp_path / "r1")
        assert second.poll(handle).phase == "running"
        flag.touch()
        assert finish(second, handle).status == "done"
    assert len(starts(tmp_path / "r1")) == 1


def test_a_job_that_always_asks_to_be_started_again_comes_to_an_end(tmp_path):
    with LocalExecutor(command=LAB, max_requeues=2) as executor:
        handle = executor.submit(job("requeue:999"), tmp_path / "r1")
        result = finish(executor, handle)
        assert result.status == "failed"
        assert "code 85" in result.reason and "2 times" in result.reason
        assert result.record["attempts"] == len(starts(tmp_path / "r1")) == 3
        executor.submit(job("requeue:999"), tmp_path / "r1")
        assert finish(executor, handle).record["attempts"] == len(starts(tmp_path / "r1")) == 6
    with pytest.raises(InvalidInputError, match="max_requeues"):
        LocalExecutor(max_requeues=-1)


def test_starts_under_earlier_drivers_count_too(tmp_path):
    first = LocalExecutor(command=LAB)
    first.submit(job("checkpoint"), tmp_path / "r1")
    wait_until((tmp_path / "r1" / "checkpoint").exists)
    first.close()
    os.kill(starts(tmp_path / "r1")[0][0], signal.SIGKILL)
    wait_until(lambda: is_gone(starts(tmp_path / "r1")[0][0]))
    with LocalExecutor(command=LAB) as second:
        result = finish(second, second.submit(job("checkpoint"), tmp_path / "r1"))
    assert (result.status, result.record["attempts"]) == ("done", 2)


def test_labs_of_others_may_rely_on_the_exit_code_and_the_variable():
    assert (REQUEUE_EXIT_CODE, ATTEMPT_VARIABLE) == (85, "BAYESLAW_ATTEMPT")


def test_a_job_taken_over_can_be_cancelled(tmp_path):
    first = LocalExecutor(command=LAB)
    first.submit(job("sleep:60"), tmp_path / "r1")
    wait_until(lambda: starts(tmp_path / "r1"))
    first.close()
    with LocalExecutor(command=LAB) as second:
        handle = second.submit(job("sleep:60"), tmp_path / "r1")
        second.cancel(handle)
        assert second.collect(handle).reason.startswith("cancelled")
    assert is_gone(starts(tmp_path / "r1")[0][0])


def test_a_job_taken_over_that_vanishes_is_lost_and_resumes_when_submitted_again(tmp_path):
    first = LocalExecutor(command=LAB)
    first.submit(job("checkpoint"), tmp_path / "r1")
    wait_until((tmp_path / "r1" / "checkpoint").exists)
    first.close()
    with LocalExecutor(command=LAB) as second:
        handle = second.submit(job("checkpoint"), tmp_path / "r1")
        os.kill(starts(tmp_path / "r1")[0][0], signal.SIGKILL)
        wait_until(lambda: second.poll(handle).is_over)
        assert second.poll(handle).phase == "lost"
        assert "exit code unknown" in second.collect(handle).reason
        assert finish(second, second.submit(job("checkpoint"), tmp_path / "r1")).status == "done"
    assert len(starts(tmp_path / "r1")) == 2


def test_another_process_with_the_jobs_old_number_is_left_alone(tmp_path):
    """Numbers are given again: a mark counts only together with the start time."""
    (tmp_path / "r1").mkdir()
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (tmp_path / "r1" / PID_FILE).write_text(f"{bystander.pid} 12345\n")
    with LocalExecutor(command=LAB) as executor:
        handle = executor.submit(job("ok"), tmp_path / "r1")
        assert finish(executor, handle).status == "done"
        executor.cancel(handle)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_drivers_killed_at_random_moments_double_no_job_and_lose_none(driver, tmp_path):
    chance = random.Random(0)
    for number in range(N_KILLS):
        jobs = [job("sleep:0.2", f"{number}-{i}") for i in range(3)]
        killed = driver("without", jobs)
        # From before the first job is submitted until all of them run.
        time.sleep(chance.uniform(0.0, chance.choice([0.01, 0.1])))
        killed.kill()
        killed.wait()
        with LocalExecutor(3, command=LAB, threads=1) as executor:
            handles = [executor.submit(entry, tmp_path / entry.run_id) for entry in jobs]
            assert [finish(executor, handle).status for handle in handles] == ["done"] * 3
        assert [len(starts(tmp_path / entry.run_id)) for entry in jobs] == [1, 1, 1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_driver_told_to_end_takes_its_jobs_with_it(driver, tmp_path, number, code):
    told = driver("with", [job("sleep:60", "a"), job("sleep:60", "b")])
    wait_until(lambda: all(starts(tmp_path / name) for name in "ab"))
    told.send_signal(number)
    assert told.wait(timeout=20) == code
    assert all(is_gone(starts(tmp_path / name)[0][0]) for name in "ab")
