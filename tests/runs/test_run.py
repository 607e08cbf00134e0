import json

import pytest

from bayeslaw.errors import InvalidInputError, RunTableError, StateError
from bayeslaw.runs import Hyperparameters, Job, JobResult, Run, RunTable
from bayeslaw.space import Architecture

SHAPE = Architecture(2, 64, 4, 2, 16, 128, 257)
PLANNED = Run("r1", n_tokens=1000, architecture=SHAPE)
DONE = PLANNED.advance("running").complete(loss_nats=2.0, cost_gpu_hours=0.1)


def test_a_done_run_never_changes():
    for change in (
        lambda: DONE.advance("running"),
        lambda: DONE.advance("failed", reason="late"),
        lambda: DONE.complete(loss_nats=1.0, cost_gpu_hours=0.1),
    ):
        with pytest.raises(StateError, match="superseded"):
            change()


def test_a_superseded_run_keeps_its_loss_but_is_no_evidence():
    retracted = DONE.superseded_for("evaluation set leaked")
    assert retracted.loss_nats == 2.0
    other = Run("r2", n_tokens=9, architecture=SHAPE).complete(loss_nats=3.0, cost_gpu_hours=1)
    assert RunTable.from_runs([retracted, other]).run_ids == ("r2",)
    with pytest.raises(RunTableError, match="no evidence yet"):
        RunTable.from_runs([retracted, PLANNED])
    with pytest.raises(StateError, match="only a done run"):
        PLANNED.superseded_for("why not")


def test_columns_that_only_some_runs_have_are_named_and_not_dropped_in_silence():
    bare = Run("r3", n_tokens=9, columns={"n_params": 1e6, "n_params_body": 9e5})
    table = RunTable.from_runs([DONE, bare.complete(loss_nats=3.0, cost_gpu_hours=1)])
    assert "relative_width" not in table and "relative_width" in table.left_out
    assert "n_params" in table and "n_params" not in table.left_out
    assert RunTable.from_runs([DONE]).left_out == ()


def test_failed_and_stopped_runs_say_why():
    with pytest.raises(InvalidInputError, match="reason"):
        PLANNED.advance("failed")
    assert PLANNED.advance("stopped", reason="budget spent").is_ended


def test_a_result_that_is_not_finished_is_not_done():
    with pytest.raises(InvalidInputError, match="schedule ended"):
        JobResult("r1", "train", "done", loss_nats=2.0, finished=False)
    failed = JobResult("r1", "train", "failed", reason="loss is NaN at step 3", seconds=36)
    assert PLANNED.conclude(failed).cost_gpu_hours == 0.01


def test_jobs_and_results_survive_json(tmp_path):
    job = Job(
        "r1", "train", SHAPE, n_tokens=4096, corpus="corpus",
        hyperparameters=Hyperparameters(learning_rate=0.01, batch_tokens=1024),
    )  # fmt: skip
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
    result = JobResult("r1", "train", "done", finished=True, loss_nats=2.5, seconds=1.0)
    result.write(tmp_path / "result.json")
    assert JobResult.read(tmp_path / "result.json") == result
    text = json.loads((tmp_path / "job.json").read_text())
    (tmp_path / "job.json").write_text(json.dumps({**text, "schema": 99}))
    with pytest.raises(InvalidInputError, match="schema 99"):
        Job.read(tmp_path / "job.json")


def test_a_job_that_lacks_what_its_kind_needs_is_refused():
    with pytest.raises(InvalidInputError, match="n_tokens"):
        Job("r1", "train", SHAPE)
    with pytest.raises(InvalidInputError, match="multiple of seq_len"):
        Hyperparameters(learning_rate=0.1, batch_tokens=100, seq_len=64)
