import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bayeslaw.executors import LocalExecutor
from bayeslaw.lab import __main__ as lab_main
from bayeslaw.lab.__main__ import main
from bayeslaw.runs import Job, JobResult
from bayeslaw.space import Workload


def test_a_job_file_becomes_a_result_file_and_progress_lines(train_job, tmp_path, capsys):
    train_job.write(tmp_path / "job.json")
    assert main([str(tmp_path / "job.json")]) == 0
    result = JobResult.read(tmp_path / "result.json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["loss_nats"] == result.loss_nats
    assert lines[-1]["step"] == lines[-1]["n_steps"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.json", "result.json"]


def test_a_rank_left_in_the_environment_makes_nobody_wait_for_others(
    train_job, tmp_path, monkeypatch
):
    monkeypatch.setenv("RANK", "3")
    job = replace(train_job, n_tokens=2048)
    job.write(tmp_path / "job.json")
    assert main([str(tmp_path / "job.json")]) == 0
    assert JobResult.read(tmp_path / "result.json").record["processes"] == 1


def test_one_of_several_processes_without_a_number_says_so(
    train_job, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    train_job.write(tmp_path / "job.json")
    assert main([str(tmp_path / "job.json")]) == 2
    assert "start the processes with torchrun" in capsys.readouterr().err
    assert names(tmp_path) == ["job.json"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def loss_of_whole_run(job, folder):
    folder.mkdir()
    job.write(folder / "job.json")
    assert main([str(folder / "job.json")]) == 0
    return JobResult.read(folder / "result.json").loss_nats


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_told_to_stop_training_saves_its_state_asks_to_be_started_again_and_goes_on(
    train_job, tmp_path, capsys, monkeypatch, number
):
    job = replace(train_job, n_tokens=20_480)
    expected = loss_of_whole_run(job, tmp_path / "whole")
    folder = tmp_path / "told"
    folder.mkdir()
    job.write(folder / "job.json")
    handler = signal.getsignal(number)

    def told_to_stop(line):
        print_line(line)
        if line["step"] == 10:
            os.kill(os.getpid(), number)

    print_line = lab_main._print_line
    monkeypatch.setattr(lab_main, "_print_line", told_to_stop)
    capsys.readouterr()
    assert main([str(folder / "job.json")]) == 85
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["step"] == 10
    assert f"stopped by {number.name}, state saved" in err
    assert names(folder) == ["attempts.txt", "checkpoints", "job.json"]
    assert signal.getsignal(number) == handler

    monkeypatch.undo()
    assert main([str(folder / "job.json")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["step"] > 10
    result = JobResult.read(folder / "result.json")
    assert (result.loss_nats, result.record["attempts"]) == (expected, 2)
    assert names(folder) == ["job.json", "result.json"]


def test_a_lab_told_to_stop_is_started_again_by_its_executor(train_job, tmp_path):
    job = replace(train_job, n_tokens=100_352)
    with LocalExecutor(threads=1) as executor:
        handle = executor.submit(job, tmp_path / "told")
        while executor.poll(handle).progress.get("step", 0) == 0:
            time.sleep(0.02)
        number = int((tmp_path / "told" / "process.pid").read_text().split()[0])
        os.kill(number, signal.SIGUSR1)
        while not executor.poll(handle).is_over:
            time.sleep(0.02)
        result = executor.collect(handle)
    assert (result.status, result.record["attempts"]) == ("done", 2)
    assert [point["step"] for point in result.curve] == sorted(
        {point["step"] for point in result.curve}
    )
    assert "stopped by SIGUSR1" in (tmp_path / "told" / "stderr.txt").read_text()


def test_a_run_that_an_error_broke_off_keeps_what_it_had_and_goes_on_once_that_is_mended(
    train_job, tmp_path, monkeypatch
):
    folder = tmp_path
    train_job.write(folder / "job.json")
    told = iter([signal.SIGTERM])
    monkeypatch.setattr(lab_main, "_print_line", lambda _: [signal.raise_signal(s) for s in told])
    assert main([str(folder / "job.json")]) == 85
    monkeypatch.undo()

    (shard,) = folder.glob("checkpoints/*/*.distcp")
    content = shard.read_bytes()
    shard.unlink()
    assert main([str(folder / "job.json")]) == 0
    result = JobResult.read(folder / "result.json")
    assert result.status == "failed" and "lacks the file __0_0.distcp" in result.reason
    shard.write_bytes(content)
    assert main([str(folder / "job.json")]) == 0
    result = JobResult.read(folder / "result.json")
    assert (result.status, result.record["attempts"]) == ("done", 3)


def test_a_measure_job_is_timed(tiny, tmp_path):
    job = Job(
        run_id="m", kind="measure", architecture=tiny,
        workload=Workload(prompt_tokens=8, output_tokens=4),
    )  # fmt: skip
    job.write(tmp_path / "job.json")
    assert main([str(tmp_path / "job.json")]) == 0
    result = JobResult.read(tmp_path / "result.json")
    assert result.status == "done"
    assert result.measurement is not None and result.measurement.workload == job.workload


@pytest.mark.parametrize("change", [{"attention": "flash_attn"}, {"device": "tpu"}, {"threads": 0}])
def test_a_job_that_cannot_run_here_is_a_failed_result_with_exit_code_0(
    train_job, tmp_path, change
):
    train_job.write(tmp_path / "job.json")
    values = json.loads((tmp_path / "job.json").read_text()) | change
    (tmp_path / "job.json").write_text(json.dumps(values))
    assert main([str(tmp_path / "job.json")]) == 0
    result = JobResult.read(tmp_path / "result.json")
    assert result.status == "failed"
    assert result.reason


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "run_id": "r", "architecture": {}}'],
)
def test_a_job_that_cannot_be_read_is_exit_code_2_and_writes_nothing(tmp_path, capsys, text):
    (tmp_path / "job.json").write_text(text)
    assert main([str(tmp_path / "job.json")]) == 2
    assert "job.json" in capsys.readouterr().err
    assert not (tmp_path / "result.json").exists()


def test_no_argument_and_no_file_are_exit_code_2(tmp_path):
    assert main([]) == 2
    assert main([str(tmp_path / "job.json")]) == 2


def test_the_lab_loads_neither_jax_nor_pandas():
    code = (
        "import sys, bayeslaw.lab.__main__, bayeslaw.lab.run_job;"
        "print([m for m in ('jax', 'pandas', 'numpyro', 'gpytorch', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
