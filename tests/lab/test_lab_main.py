import json
import subprocess
import sys

import pytest

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
