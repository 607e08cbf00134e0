import dataclasses
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.train import rate_fraction, train
from bayeslaw.runs import Hyperparameters, JobResult

ONE_THREAD = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}


pytestmark = pytest.mark.usefixtures("one_thread")


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
    assert set(lines[0]) == {
        "run_id", "step", "n_steps", "tokens", "loss_nats", "loss_stderr", "bits_per_byte",
    }  # fmt: skip


def test_the_record_says_what_was_done_and_on_what(train_job, tmp_path):
    result = train(train_job, tmp_path)
    record = result.record
    assert record["params_by_group"] == train_job.architecture.params_by_group
    assert record["tokens_seen"] == 40_000 // 64 * 64 == result.curve[-1]["tokens"]
    assert record["attention"] == "sdpa_flash"
    assert record["attention_version"] == f"torch {torch.__version__}"
    shape = train_job.architecture
    assert record["train_flops"] == {
        "6n_params": 6 * shape.n_params * 40_000,
        "6n_params_body": 6 * shape.n_params_body * 40_000,
        "attention_aware": shape.train_flops_per_token("attention_aware", 64) * 40_000,
    }
    assert record["code"].startswith("0.")
    assert record["mfu"] is None  # no datasheet says what this CPU could do
    assert result.seconds == pytest.approx(sum(record["seconds_by_work"].values()))
    for key in (
        "corpus",
        "seed",
        "threads",
        "precision",
        "device",
        "epochs",
        "final_learning_rate",
        "tokenizer_sha256",
        "flops_per_second",
    ):
        assert key in record
    result.write(tmp_path / "result.json")
    assert JobResult.read(tmp_path / "result.json") == result


def test_two_runs_of_one_seed_are_identical_to_the_last_bit(train_job, tmp_path):
    first, second = train(train_job, tmp_path), train(train_job, tmp_path)
    assert (losses(first), first.loss_stderr) == (losses(second), second.loss_stderr)
    assert losses(train(replace(train_job, seed=1), tmp_path)) != losses(first)


def test_a_branch_ends_with_the_loss_of_a_run_of_its_length_to_the_last_bit(train_job, tmp_path):
    job = with_hyperparameters(train_job, warmup_tokens=4096, decay_fraction=0.4)
    job = replace(job, branches=(10_000, 21_000))
    result = train(job, tmp_path)
    assert [branch["n_tokens"] for branch in result.branches] == [10_000, 21_000]
    for branch in result.branches:
        alone = train(replace(job, n_tokens=branch["n_tokens"], branches=()), tmp_path)
        assert (branch["loss_nats"], branch["loss_stderr"]) == (alone.loss_nats, alone.loss_stderr)
        assert 0 < branch["seconds"] < result.seconds
    without = train(replace(job, branches=()), tmp_path)
    assert (without.loss_nats, losses(without)) == (result.loss_nats, losses(result))
    assert result.record["tokens_trained"] > without.record["tokens_trained"] == 40_000


def test_branches_that_cannot_be_are_refused(train_job):
    with pytest.raises(InvalidInputError, match="growing token counts below"):
        replace(train_job, branches=(20_000, 10_000))
    with pytest.raises(InvalidInputError, match="growing token counts below"):
        replace(train_job, branches=(40_000,))
    with pytest.raises(InvalidInputError, match="only 'wsd'"):
        replace(with_hyperparameters(train_job, schedule="cosine"), branches=(10_000,))


def test_a_warm_up_longer_than_the_shortest_run_is_refused(train_job, tmp_path):
    job = with_hyperparameters(train_job, warmup_tokens=20_000)
    with pytest.raises(InvalidInputError, match="its warm-up takes 20"):
        train(replace(job, branches=(8_000,)), tmp_path)


def test_parts_of_a_batch_and_recomputed_blocks_give_the_same_losses(train_job, tmp_path):
    job = replace(train_job, n_tokens=8192)
    whole = train(job, tmp_path)
    parts = train(replace(job, micro_batch_tokens=192), tmp_path)
    assert parts.loss_nats == pytest.approx(whole.loss_nats, abs=1e-5)
    again = train(replace(job, recompute_activations=True), tmp_path)
    assert again.loss_nats == pytest.approx(whole.loss_nats, abs=1e-5)
    with pytest.raises(InvalidInputError, match="must hold a sequence"):
        train(replace(job, micro_batch_tokens=32), tmp_path)


@pytest.mark.parametrize("change", [{}, {"optimizer": "muon", "learning_rate": 3e-3}])
def test_two_processes_train_like_one(train_job, tmp_path, change):
    job = with_hyperparameters(replace(train_job, n_tokens=8192, branches=(4096,)), **change)
    expected = train(job, tmp_path)
    job.write(tmp_path / "job.json")
    launch = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "bayeslaw.lab", str(tmp_path / "job.json"),
    ]  # fmt: skip
    done = subprocess.run(launch, capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    result = JobResult.read(tmp_path / "result.json")
    assert result.record["processes"] == 2
    assert result.loss_nats == pytest.approx(expected.loss_nats, abs=1e-5)
    assert result.branches[0]["loss_nats"] == pytest.approx(
        expected.branches[0]["loss_nats"], abs=1e-5
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == len(result.curve)


def test_the_cosine_schedule_and_muon_train(train_job, tmp_path):
    job = with_hyperparameters(train_job, schedule="cosine", warmup_tokens=2048)
    assert train(job, tmp_path).loss_nats < 3.2
    job = with_hyperparameters(
        train_job, optimizer="muon", learning_rate=5e-3, embedding_rate=1e-2, vector_rate=1e-2
    )
    assert train(job, tmp_path).loss_nats < 3.0


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
    with pytest.raises(InvalidInputError, match="256 kinds of tokens"):
        train(replace(train_job, architecture=narrow), tmp_path)
    with pytest.raises(InvalidInputError, match="at least one sequence"):
        train(replace(train_job, n_tokens=10), tmp_path)
    with pytest.raises(InvalidInputError, match="'float32' or 'bfloat16'"):
        train(replace(train_job, precision="float16"), tmp_path)
    with pytest.raises(InvalidInputError, match="not a finished corpus"):
        train(replace(train_job, corpus=str(tmp_path)), tmp_path)


def test_the_schedule_rises_holds_and_falls_to_nearly_nothing():
    recipe = Hyperparameters(2e-3, 128, warmup_tokens=1280, decay_fraction=0.3)
    rates = [rate_fraction(step, 100, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert set(rates[10:70]) == {1.0}
    assert rates[-1] == pytest.approx(1 / 30)
    assert all(rate > 0 for rate in rates)


def test_the_cosine_falls_from_the_warm_up_to_where_it_shall_end():
    recipe = Hyperparameters(
        2e-3, 128, schedule="cosine", warmup_tokens=1280, final_rate_fraction=0.1
    )
    rates = [rate_fraction(step, 110, recipe) for step in range(110)]
    assert rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert all(left > right for left, right in pairwise(rates[10:]))


def test_every_hyperparameter_reaches_the_run(train_job, tmp_path):
    job = replace(train_job, n_tokens=4096)
    base = train(job, tmp_path).loss_nats
    muon = train(with_hyperparameters(job, optimizer="muon"), tmp_path).loss_nats
    changes = {
        "learning_rate": 2e-3, "batch_tokens": 512, "seq_len": 32, "schedule": "cosine",
        "warmup_tokens": 2048, "decay_fraction": 0.1, "final_rate_fraction": 0.5,
        "optimizer": "muon", "weight_decay": 5.0, "beta1": 0.5, "beta2": 0.9, "momentum": 0.5,
        "grad_clip": 1e-9, "embedding_rate": 2e-3, "vector_rate": 2e-2, "embedding_std": 0.02,
    }  # fmt: skip
    assert set(changes) == {field.name for field in dataclasses.fields(Hyperparameters)}
    for name, value in changes.items():
        if name == "momentum":
            changed = with_hyperparameters(job, optimizer="muon", momentum=value)
            assert train(changed, tmp_path).loss_nats not in (base, muon)
        else:
            assert train(with_hyperparameters(job, **{name: value}), tmp_path).loss_nats != base, (
                name
            )
