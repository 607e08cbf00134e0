import dataclasses
import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from bayeslaw.errors import InvalidInputError, LabError
from bayeslaw.lab.train import learning_rate, train
from bayeslaw.runs import Hyperparameters, JobResult

ONE_THREAD = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
TRAIN_SAVING_EACH_STEP = """
import json, sys, torch
from pathlib import Path
from bayeslaw.lab.train import train
from bayeslaw.runs import Job
job = Job.read(Path(sys.argv[1]))
torch.set_num_threads(job.threads)
train(job, Path(sys.argv[1]).parent, lambda line: print(json.dumps(line), flush=True), 0.0)
"""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_hyperparameters(job, **changes):
    return replace(job, hyperparameters=replace(job.hyperparameters, **changes))


def losses(result):
    return [point["loss_nats"] for point in result.curve]


def test_training_lowers_the_loss_on_real_text(train_job, tmp_path):
    lines = []
    result = train(train_job, tmp_path, lines.append)
    assert (result.status, result.finished) == ("done", True)
    assert 5.3 < losses(result)[0] < 6.0
    assert result.loss_nats < 3.2
    assert 0 < result.loss_stderr < 0.1
    assert math.isclose(result.bits_per_byte, result.loss_nats / math.log(2), rel_tol=0.02)
    assert [line["step"] for line in lines] == [point["step"] for point in result.curve]
    assert set(lines[0]) == {"run_id", "step", "n_steps", "tokens", "loss_nats"}


def test_the_record_says_what_was_done_and_on_what(train_job, tmp_path):
    result = train(train_job, tmp_path)
    record = result.record
    assert record["params_by_group"] == train_job.architecture.params_by_group
    assert record["tokens_seen"] == 40_000 // 64 * 64 == result.curve[-1]["tokens"]
    assert record["attention"] == "sdpa_flash"
    assert record["attention_version"] == f"torch {torch.__version__}"
    assert record["train_flops"] == pytest.approx(
        train_job.architecture.train_flops_per_token("attention_aware", 64) * 40_000
    )
    for key in (
        "corpus",
        "seed",
        "threads",
        "precision",
        "device",
        "epochs",
        "final_learning_rate",
    ):
        assert key in record
    result.write(tmp_path / "result.json")
    assert JobResult.read(tmp_path / "result.json") == result


def test_two_runs_of_one_seed_are_identical_to_the_last_bit(train_job, tmp_path):
    first, second = train(train_job, tmp_path), train(train_job, tmp_path)
    assert (losses(first), first.loss_stderr) == (losses(second), second.loss_stderr)
    assert losses(train(replace(train_job, seed=1), tmp_path)) != losses(first)


def test_a_run_killed_with_kill_9_ends_with_the_identical_loss(train_job, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        train_job.write(folder / "job.json")
    expected = train(train_job, whole)

    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_SAVING_EACH_STEP, str(killed / "job.json")],
        stdout=subprocess.PIPE, text=True, env=ONE_THREAD,
    )  # fmt: skip
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline()) for _ in range(4)]
    process.kill()
    process.stdout.close()
    assert process.wait() == -9
    assert (killed / "checkpoint.pt").exists()

    lab = [sys.executable, "-m", "bayeslaw.lab", str(killed / "job.json")]
    done = subprocess.run(lab, capture_output=True, text=True, env=ONE_THREAD, check=True)
    result = JobResult.read(killed / "result.json")
    resumed_at = json.loads(done.stdout.splitlines()[0])["step"]
    assert resumed_at >= seen[-1]["step"] > 0
    assert result.record["n_restarts"] == 1
    assert not (killed / "checkpoint.pt").exists()
    assert (result.loss_nats, result.loss_stderr) == (expected.loss_nats, expected.loss_stderr)
    assert result.curve == expected.curve


def test_another_jobs_checkpoint_is_never_taken_up(train_job, tmp_path):
    class Stop(Exception):
        pass

    def stop(line):
        if line["step"]:
            raise Stop

    with pytest.raises(Stop):
        train(train_job, tmp_path, stop, checkpoint_seconds=0.0)
    with pytest.raises(LabError, match="another job or corpus"):
        train(replace(train_job, seed=9), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(LabError, match="cannot be read"):
        train(train_job, tmp_path)


def test_an_absurd_learning_rate_is_a_failed_run_with_its_reason(train_job, tmp_path):
    job = with_hyperparameters(train_job, learning_rate=1e20)
    result = train(job, tmp_path)
    assert (result.status, result.finished, result.loss_nats) == ("failed", False, None)
    assert "a learning rate below 1e+20" in result.reason
    assert "nan" in result.reason or "inf" in result.reason
    result.write(tmp_path / "result.json")


def test_a_loss_that_went_up_for_good_is_a_failed_run(train_job, tmp_path):
    job = with_hyperparameters(train_job, learning_rate=10.0, decay_fraction=0.0)
    result = train(job, tmp_path)
    assert result.status == "failed"
    assert "before training" in result.reason


@pytest.mark.parametrize("change", [{"qk_norm": True}, {"gated_mlp": False}, {"n_kv_heads": 1}])
def test_every_kind_of_block_trains_in_both_precisions(train_job, tmp_path, change):
    job = replace(train_job, architecture=replace(train_job.architecture, **change), n_tokens=8192)
    exact = train(job, tmp_path)
    half = train(replace(job, precision="bfloat16"), tmp_path)
    assert exact.loss_nats < losses(exact)[0] - 1
    assert abs(half.loss_nats - exact.loss_nats) < 0.1
    assert half.record["precision"] == "bfloat16"


def test_jobs_that_cannot_be_trained_say_why(train_job, tmp_path):
    narrow = replace(train_job.architecture, vocab_size=200)
    with pytest.raises(InvalidInputError, match="256 byte tokens"):
        train(replace(train_job, architecture=narrow), tmp_path)
    with pytest.raises(InvalidInputError, match="at least one sequence"):
        train(replace(train_job, n_tokens=10), tmp_path)
    with pytest.raises(InvalidInputError, match="'float32' or 'bfloat16'"):
        train(replace(train_job, precision="float16"), tmp_path)
    with pytest.raises(InvalidInputError, match="not a finished corpus"):
        train(replace(train_job, corpus=str(tmp_path)), tmp_path)


def test_the_schedule_rises_holds_and_falls_to_nearly_nothing():
    recipe = Hyperparameters(2e-3, 128, warmup_fraction=0.1, decay_fraction=0.3)
    rates = [learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([2e-4 * (i + 1) for i in range(10)])
    assert set(rates[10:70]) == {2e-3}
    assert rates[-1] == pytest.approx(2e-3 / 30)
    assert all(rate > 0 for rate in rates)


def test_every_hyperparameter_reaches_the_run(train_job, tmp_path):
    job = replace(train_job, n_tokens=4096)
    base = train(job, tmp_path).loss_nats
    changes = {
        "learning_rate": 2e-3, "batch_tokens": 512, "seq_len": 32, "warmup_fraction": 0.5,
        "decay_fraction": 0.1, "weight_decay": 5.0, "beta1": 0.5, "beta2": 0.9, "grad_clip": 1e-9,
    }  # fmt: skip
    assert set(changes) == {field.name for field in dataclasses.fields(Hyperparameters)}
    for name, value in changes.items():
        assert train(with_hyperparameters(job, **{name: value}), tmp_path).loss_nats != base, name
