"""What is saved and comes back, whoever else is at work."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.lab.checkpoint_world import (
    ENVIRONMENT,
    a_state,
    assert_same,
    everything,
    saved,
    step,
)

from bayeslaw.errors import LabError
from bayeslaw.lab.train.checkpoint import Checkpoints, State
from bayeslaw.runs import JobResult

KILLED_TRAINER = Path(__file__).with_name("killed_trainer.py")
TWO_SAVERS = Path(__file__).with_name("two_savers.py")
N_KILLS = 10
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.timeout(900)  # twelve lives, each with dozens of fsyncs, on a machine that may be busy
def test_a_run_killed_with_kill_9_at_ten_random_steps_ends_with_the_identical_losses(
    train_job, tmp_path
):
    job = replace(train_job, n_tokens=12_288, branches=(4_096, 8_192))
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        job.write(tmp_path / name / "job.json")
    done = subprocess.run(
        [sys.executable, str(KILLED_TRAINER), str(tmp_path), str(N_KILLS), "1"],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    deaths = json.loads(done.stdout)
    assert len(deaths) == N_KILLS
    assert 3 <= sum(on_branch for _, on_branch, _, _ in deaths) <= N_KILLS - 3

    whole, killed = (
        JobResult.read(tmp_path / name / "result.json") for name in ("whole", "killed")
    )
    assert (killed.status, killed.loss_nats) == ("done", whole.loss_nats)
    assert (killed.loss_stderr, killed.curve) == (whole.loss_stderr, whole.curve)
    assert [{**branch, "seconds": 0} for branch in killed.branches] == [
        {**branch, "seconds": 0} for branch in whole.branches
    ]
    assert len(whole.branches) == 2
    assert (whole.record["attempts"], killed.record["attempts"]) == (1, 1 + N_KILLS)
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "job.json", "result.json",
    ]  # fmt: skip


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("n_steps", [0, 3])
def test_a_state_comes_back_to_the_last_bit_before_the_first_step_and_after(
    tmp_path, optimizer, n_steps
):
    state = a_state(0, optimizer)
    step(state, n_steps)
    state.trunk = {
        "network": {"w": torch.randn(3).bfloat16()},
        "optimizer": {0: {"n": 1, "f": 0.1}},
    }
    expected = everything(state)
    progress = {"step": n_steps, "seconds": 0.1 + 0.2, "curve": [{"loss_nats": 5.4}]}
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(state, progress)
    checkpoints.wait()

    other = a_state(1, optimizer)
    assert Checkpoints(tmp_path, "job").load(other) == progress
    assert_same(everything(other), expected)
    step(state), step(other)
    assert_same(everything(other), everything(state))


def test_nothing_is_loaded_where_nothing_was_saved(tmp_path):
    assert Checkpoints(tmp_path, "job").load(a_state()) is None
    assert not list(tmp_path.iterdir())


def test_what_changes_while_a_checkpoint_is_written_is_not_in_it(tmp_path):
    state, checkpoints = a_state(), Checkpoints(tmp_path, "job")
    for number in range(3):
        step(state)
        expected, progress = everything(state), {"curve": [number]}
        checkpoints.save(state, progress)
        step(state)
        progress["curve"].append("later")
    checkpoints.wait()
    other = a_state(1)
    assert Checkpoints(tmp_path, "job").load(other) == {"curve": [2]}
    assert_same(everything(other), expected)


def test_only_the_last_good_checkpoint_stays(tmp_path):
    state = saved(tmp_path)
    root = tmp_path / "checkpoints"
    (root / "save-9.partial").mkdir()
    (root / "save-9.partial" / "half").write_text("of a process that was killed")
    checkpoints = Checkpoints(tmp_path, "job")
    for number in range(3):
        checkpoints.save(state, {"step": number})
    checkpoints.wait()
    assert sorted(path.name for path in root.iterdir()) == ["latest", "save-4"]
    assert checkpoints.load(a_state(1)) == {"step": 2}
    checkpoints.remove()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_is_whole_but_not_yet_pointed_to_is_found(tmp_path):
    saved(tmp_path, 2)
    (tmp_path / "checkpoints" / "latest").unlink()
    assert Checkpoints(tmp_path, "job").load(a_state(1)) == {"step": 2}


def test_a_checkpoint_of_another_job_is_refused(tmp_path):
    saved(tmp_path, fingerprint="one")
    with pytest.raises(LabError, match="another job or corpus"):
        Checkpoints(tmp_path, "other").load(a_state())


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    saved(tmp_path)
    network = torch.nn.Linear(2, 2)
    with pytest.raises(LabError, match="does not fit"):
        Checkpoints(tmp_path, "job").load(State(network, torch.optim.AdamW(network.parameters())))


def test_two_processes_keep_one_checkpoint_that_both_load(tmp_path):
    done = subprocess.run(
        [sys.executable, str(TWO_SAVERS), str(tmp_path)],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "latest", "save-3",
    ]  # fmt: skip


def test_a_state_that_cannot_be_kept_is_refused_at_the_door(tmp_path):
    state = a_state()
    state.trunk = {"network": object()}
    with pytest.raises(TypeError, match="trunk/network is a object"):
        Checkpoints(tmp_path, "job").save(state, {})
    state.trunk = None
    with pytest.raises(TypeError, match="not JSON serializable"):
        Checkpoints(tmp_path, "job").save(state, {"step": object()})
