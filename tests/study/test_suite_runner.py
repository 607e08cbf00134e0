"""Suites trained by a stub lab, and one trunk by the real one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.study.suite_world import STUB_LAB, SUITE, write_documents

from bayeslaw import read_runs
from bayeslaw.errors import InvalidInputError, StateError, UnavailableError
from bayeslaw.lab.corpus import build_corpus
from bayeslaw.runs import COLUMNS, LABELS, Job
from bayeslaw.study.suite.runner import Suite


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    build_corpus(write_documents(folder / "documents"), folder / "corpus")
    return folder / "corpus"


@pytest.fixture
def suite(tmp_path, corpus):
    """Open the small suite, with some of its parts replaced, in one folder."""

    def open_suite(notify=None, *, train=None, **changes):
        content = {
            **SUITE,
            **changes,
            "train": {"corpus": str(corpus), **(train or SUITE["train"])},
        }
        file = tmp_path / "small.yaml"
        file.write_text(yaml.safe_dump(content))
        return Suite(file, tmp_path / "out", notify=notify)

    return open_suite


def tell(suite, trunk, order):
    folder = suite.folder / "jobs" / trunk
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "order.txt").write_text(order)


def starts(suite):
    files = (suite.folder / "jobs").glob("*/starts.txt")
    return {path.parent.name: len(path.read_text().splitlines()) for path in files}


def test_a_suite_leaves_a_table_that_reads_back_and_a_manifest(suite):
    opened = suite()
    manifest = opened.train()
    assert (manifest["n_done"], manifest["n_failed"], manifest["n_missing"]) == (7, 0, 0)
    assert manifest["n_points"] == 5 * 2 + 2 * 3
    assert json.loads((opened.folder / "manifest.json").read_text()) == manifest
    assert manifest["core_hours"] == pytest.approx(7 * 72 / 3600, abs=1e-4)

    table = read_runs(opened.folder / "runs.parquet")
    assert len(table) == manifest["n_points"]
    assert set(table.left_out) == set(LABELS) - {"trunk"}
    # What only mixtures of experts, low precision, parallel streams or repeated text need.
    assert set(COLUMNS) - set(table) == {
        "n_params_active", "n_params_body_active", "n_experts", "n_active_experts", "sparsity",
        "active_expert_share", "granularity", "n_streams", "weight_bits", "activation_bits",
        "kv_bits", "unique_tokens", "n_characters", "unigram_loss_nats", "vocab_params",
    }  # fmt: skip
    assert len(set(table.trunks)) == 7
    trunks = {trunk.name: trunk for trunk in opened.plan.trunks}
    for row, (run_id, name) in enumerate(zip(table.run_ids, table.trunks, strict=True)):
        trunk, n_tokens = trunks[name], int(table["n_tokens"][row])
        shape = trunk.architecture
        assert run_id == f"{name}-{n_tokens}" and n_tokens in trunk.tokens
        assert table["n_params_body"][row] == shape.n_params_body
        assert table["attention_params"][row] == shape.attention_params
        assert table["seed"][row] == trunk.seed
        flops = shape.train_flops_per_token("attention_aware", 64) * n_tokens
        assert table["train_flops_attention_aware"][row] == pytest.approx(flops)
        assert table["epochs"][row] == pytest.approx(0.5 * n_tokens / trunk.tokens[-1])


def test_time_is_booked_to_each_point_as_if_it_had_been_trained_alone(suite):
    opened = suite()
    opened.train()
    table = read_runs(opened.folder / "runs.parquet")
    for trunk in opened.plan.trunks:
        rows = [i for i, name in enumerate(table.trunks) if name == trunk.name]
        hours = table["cost_gpu_hours"][rows]
        # The stub says n / 1000 seconds for a branch; of 72 s the trunk has its tokens' share.
        assert hours[:-1] * 3600 == pytest.approx([n / 1000 for n in trunk.tokens[:-1]])
        *branches, own = trunk.tokens
        assert hours[-1] * 3600 == pytest.approx(72 * own / (own + 0.5 * sum(branches)), rel=1e-3)


def test_what_is_done_is_not_trained_again(suite):
    opened = suite()
    first = opened.train()
    table = (opened.folder / "runs.parquet").read_bytes()
    again = suite().train()
    assert set(starts(opened).values()) == {1}
    assert (opened.folder / "runs.parquet").read_bytes() == table
    assert again["table_sha256"] == first["table_sha256"]
    assert len(again["slices"]) == 2


def test_a_trunk_that_diverged_is_named_with_its_reason_and_keeps_its_branches(suite):
    opened = suite()
    tell(opened, "15k-02", "diverge")
    manifest = opened.train()
    assert manifest["failed"] == {"15k-02": "the loss was nan"}
    assert (manifest["n_done"], manifest["n_failed"]) == (6, 1)
    table = read_runs(opened.folder / "runs.parquet")
    (row,) = [i for i, name in enumerate(table.trunks) if name == "15k-02"]
    (tokens,) = [trunk.tokens for trunk in opened.plan.trunks if trunk.name == "15k-02"]
    assert table["n_tokens"][row] == tokens[0]
    assert len(table) == manifest["n_points"] == 15


def test_a_trunk_that_crashed_is_missing_with_its_reason_and_tried_again(suite):
    opened = suite()
    tell(opened, "15k-01", "crash")
    manifest = opened.train()
    assert set(manifest["missing"]) == {"15k-01"}
    assert "the disk is on fire" in manifest["missing"]["15k-01"]
    (opened.folder / "jobs" / "15k-01" / "order.txt").unlink()
    assert suite().train()["n_done"] == 7
    assert starts(opened)["15k-01"] == 2 and starts(opened)["15k-03"] == 1


def test_a_slice_ends_politely_and_the_next_goes_on(suite):
    opened = suite()
    waits = opened.plan.trunks[0].name
    tell(opened, waits, "wait")
    began = time.monotonic()
    manifest = opened.train(minutes=(time.monotonic() - opened._began + 2.5) / 60)
    assert time.monotonic() - began < 15
    # SIGTERM reached the job, which did as a lab does: saved, and left with 85.
    assert not (opened.folder / "jobs" / waits / "order.txt").exists()
    assert waits in manifest["missing"]
    assert suite().train()["n_missing"] == 0


def test_an_interruption_loses_nothing_that_has_finished(suite):
    ended = []

    def interrupt(kind, details):
        if kind == "ended":
            ended.append(details["run"].run_id)
            if len(ended) == 3:
                raise KeyboardInterrupt

    opened = suite(interrupt)
    with pytest.raises(KeyboardInterrupt):
        opened.train()
    manifest = json.loads((opened.folder / "manifest.json").read_text())
    assert manifest["n_done"] >= 3
    assert set(ended) <= set(read_runs(opened.folder / "runs.parquet").trunks)
    assert suite().train()["n_done"] == 7


def test_time_left_follows_this_machines_pace(suite):
    heard = []
    suite(lambda kind, details: heard.append((kind, details))).train()
    left = [details["seconds_left"] for kind, details in heard if kind == "overall"]
    assert left[-1] == 0.0 and max(left) > 0
    assert [details["run"].status for kind, details in heard if kind == "ended"] == ["done"] * 7


def test_another_suite_in_the_folder_is_refused(suite, corpus, tmp_path):
    suite().export()
    with pytest.raises(StateError, match=r"asks for something else .*n_tokens"):
        suite(tokens_per_param=[5, 12]).train()
    with pytest.raises(StateError, match="15k-01-s3 is a job that this suite does not ask for"):
        (tmp_path / "out/jobs/15k-01").rename(tmp_path / "out/jobs/15k-01-s3")
        suite().train()
    (tmp_path / "out/jobs/15k-01-s3").rename(tmp_path / "out/jobs/15k-01")
    other = tmp_path / "other"
    (tmp_path / "more").mkdir()
    write_documents(tmp_path / "more")
    (tmp_path / "more" / "one.txt").write_text("another document\n" * 9)
    build_corpus(tmp_path / "more", other)
    with pytest.raises(StateError, match="holds another corpus"):
        suite(train={**SUITE["train"], "corpus": str(other)}).train()
    assert suite().train()["n_done"] == 7


def test_other_threads_are_no_other_suite(suite):
    suite().export()
    assert suite(executor={"slots": 3, "threads": 2}).train()["n_done"] == 7


def test_what_no_job_could_do_is_refused_before_the_first(suite):
    with pytest.raises(UnavailableError, match="sees no GPU"):
        suite(train={"seq_len": 64, "device": "cuda"}).train()
    axes = {**SUITE["space"]["axes"], "vocab_size": 128}
    with pytest.raises(InvalidInputError, match=r"set space\.axes\.vocab_size"):
        suite(space={"axes": axes}).train()
    with pytest.raises(InvalidInputError, match="warm-up"):
        suite(train={"seq_len": 64}, tokens_per_param=[0.1, 10]).train()


def test_another_lab_that_says_little_leaves_columns_out_by_name(suite):
    terse = STUB_LAB.replace('"record": {', '"record": {}, "curve": [] } ; _ = {"": {')
    opened = suite(train={"seq_len": 64, "command": [sys.executable, "-c", terse]})
    manifest = opened.train()
    assert set(manifest["columns_left_out"]) == {
        "epochs", "attention", "attention_version", "device", "torch", "corpus", "tokenizer",
        "code",
    }  # fmt: skip
    assert "epochs" not in read_runs(opened.folder / "runs.parquet")


def test_jobs_travel_to_a_bare_machine_and_results_come_back(suite, tmp_path):
    opened = suite()
    manifest = opened.export()
    assert manifest["n_missing"] == 7 and not (opened.folder / "runs.parquet").exists()
    away = tmp_path / "away"
    opened.folder.rename(away)
    for path in away.glob("jobs/*/job.json"):
        job = Job.read(path)
        assert (path.parent / job.corpus).resolve() == (away / "corpus").resolve()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/stub.py\n")
    python.chmod(0o755)
    (tmp_path / "stub.py").write_text(STUB_LAB)
    first = opened.plan.trunks[0].name
    (away / "jobs" / first / "order.txt").write_text("wait")

    def run_slice(seconds):
        done = subprocess.run(
            ["bash", away / "run-slice.sh", str(seconds)],
            env={"PYTHON": str(python), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.splitlines()[-1]

    # The first job takes the slice, is told to save, and goes on in the next.
    assert run_slice(1) == "0 of 7 trunks ended"
    assert run_slice(60) == "7 of 7 trunks ended"
    away.rename(opened.folder)
    assert suite().export()["n_points"] == 16


def test_the_real_lab_trains_a_trunk_with_a_branch(suite):
    opened = suite(
        train={"seq_len": 64},
        sizes=[{"n_params_body": 15_000, "trunks": 1}],
        tokens_per_param=[1, 2],
        tolerance=0.1,
        repeat_seeds=0,
    )
    manifest = opened.train()
    assert manifest["failed"] == {}, manifest["failed"]
    assert manifest["columns_left_out"] == []
    table = read_runs(opened.folder / "runs.parquet")
    assert table.trunks == ("15k-01", "15k-01")
    assert table["loss_nats"][1] < table["loss_nats"][0] < 5.6
    assert table["cost_gpu_hours"][0] < table["cost_gpu_hours"][1]
    assert manifest["corpus"]["fingerprint"] == opened_corpus(opened)


def opened_corpus(opened):
    result = json.loads(next(Path(opened.folder).glob("jobs/*/result.json")).read_text())
    return result["record"]["corpus"]
