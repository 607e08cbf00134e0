import copy
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bayeslaw.errors import LabError
from bayeslaw.lab.train import train
from bayeslaw.lab.train.checkpoint import Checkpoints, State
from bayeslaw.runs import JobResult

KILLED_TRAINER = Path(__file__).with_name("killed_trainer.py")
TWO_SAVERS = Path(__file__).with_name("two_savers.py")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
N_KILLS = 10


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def a_state(seed=0, optimizer=torch.optim.AdamW):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Linear(64, 8))
    return State(network, optimizer(network.parameters(), lr=1e-2))


def step(state, n=1):
    for number in range(n):
        torch.manual_seed(number)
        state.optimizer.zero_grad()
        state.network(torch.randn(4, 16)).square().mean().backward()
        state.optimizer.step()


def everything(state):
    return copy.deepcopy([state.network.state_dict(), state.optimizer.state_dict(), state.trunk])


def assert_same(left, right):
    assert type(left) is type(right)
    if isinstance(left, torch.Tensor):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def saved(folder, n_steps=2, fingerprint="job"):
    """Save a state after some steps; return it."""
    state = a_state()
    step(state, n_steps)
    checkpoints = Checkpoints(folder, fingerprint)
    checkpoints.save(state, {"step": n_steps})
    checkpoints.wait()
    return state


def the_checkpoint(folder):
    (found,) = (path for path in (folder / "checkpoints").iterdir() if path.is_dir())
    return found


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def point_to(text):
    return lambda path: path.write_bytes(text)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("{save}/__0_0.distcp", flip, "__0_0.distcp changed since it was written"),
        ("{save}/__0_0.distcp", cut, "bytes where"),
        ("{save}/__0_0.distcp", Path.unlink, "lacks the file __0_0.distcp"),
        ("{save}/.metadata", flip, ".metadata changed since it was written"),
        ("{save}/.metadata", Path.unlink, "lacks the file .metadata"),
        ("{save}/manifest.json", flip, "manifest.json"),
        ("{save}/manifest.json", cut, "manifest.json makes no sense"),
        ("{save}/manifest.json", Path.unlink, "lacks the file manifest.json"),
        ("latest", point_to(b"\xff\xfe"), "cannot be read"),
        ("latest", point_to(b""), "names no checkpoint"),
        ("latest", point_to(b"../elsewhere"), "names no checkpoint"),
        ("latest", point_to(b"save-77"), "'save-77', which is not there"),
    ],
)
def test_damage_is_a_clear_error_and_nothing_is_touched(tmp_path, name, damage, said):
    expected = everything(saved(tmp_path))
    folder = the_checkpoint(tmp_path)
    path = tmp_path / "checkpoints" / name.format(save=folder.name)
    intact = path.read_bytes()
    damage(path)
    damaged = contents(tmp_path)
    state = a_state(1)
    before = everything(state)
    with pytest.raises(LabError) as caught:
        Checkpoints(tmp_path, "job").load(state)
    message = str(caught.value)
    assert said in message
    assert str(tmp_path / "checkpoints") in message  # where
    assert "to start the run again from its first step" in message  # what to do
    assert contents(tmp_path) == damaged
    assert_same(everything(state), before)

    path.write_bytes(intact)
    Checkpoints(tmp_path, "job").load(state)
    assert_same(everything(state), expected)


@contextmanager
def files_of_at_most(n_bytes):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_may_not_grow_leaves_the_last_good_checkpoint(tmp_path):
    state = saved(tmp_path)
    expected, before = everything(state), contents(tmp_path)
    step(state)
    checkpoints = Checkpoints(tmp_path, "job")
    with files_of_at_most(10_000):
        checkpoints.save(state, {"step": 3})
        with pytest.raises(LabError) as caught:
            checkpoints.wait()
    message = str(caught.value)
    assert os.strerror(errno.EFBIG) in message
    assert str(tmp_path / "checkpoints") in message
    assert "the last good checkpoint is untouched" in message
    assert contents(tmp_path) == before
    other = a_state(1)
    assert Checkpoints(tmp_path, "job").load(other) == {"step": 2}
    assert_same(everything(other), expected)
    checkpoints.save(state, {"step": 3})  # there is room again
    checkpoints.wait()
    assert checkpoints.load(other) == {"step": 3}


SAVE_ON_A_FULL_DISK = """
import sys, torch
from pathlib import Path
from bayeslaw.errors import LabError
from bayeslaw.lab.train.checkpoint import Checkpoints, State
network = torch.nn.Linear(100, 100)
state = State(network, torch.optim.SGD(network.parameters()))
checkpoints = Checkpoints(Path(sys.argv[1]), "job")
expected = network.weight.detach().clone()
checkpoints.save(state, {"step": 1})
checkpoints.wait()
Path(sys.argv[1], "filler").write_bytes(bytes(950_000))
torch.nn.init.zeros_(network.weight)
checkpoints.save(state, {"step": 2})
try:
    checkpoints.save(state, {"step": 3})
except LabError as error:
    print(error)
assert checkpoints.load(state) == {"step": 1}
assert torch.equal(network.weight, expected)
"""


def own_mounts(*command):
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", *command]


def can_mount():
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(own_mounts("mount -t tmpfs tmpfs /mnt"), capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_mount(), reason="a small disk of our own cannot be mounted here")
def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path):
    mounted = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        own_mounts(mounted, "sh", str(tmp_path), sys.executable, SAVE_ON_A_FULL_DISK),
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.strerror(errno.ENOSPC) in done.stdout
    assert "the last good checkpoint is untouched" in done.stdout


def test_two_processes_keep_one_checkpoint_that_both_load(tmp_path):
    done = subprocess.run(
        [sys.executable, str(TWO_SAVERS), str(tmp_path)],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "latest", "save-3",
    ]  # fmt: skip


def test_training_says_that_its_checkpoint_cannot_be_written(train_job, tmp_path):
    with files_of_at_most(10_000), pytest.raises(LabError, match="cannot be written"):
        train(train_job, tmp_path, checkpoint_seconds=0.0)
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_state_that_cannot_be_kept_is_refused_at_the_door(tmp_path):
    state = a_state()
    state.trunk = {"network": object()}
    with pytest.raises(TypeError, match="trunk/network is a object"):
        Checkpoints(tmp_path, "job").save(state, {})
    state.trunk = None
    with pytest.raises(TypeError, match="not JSON serializable"):
        Checkpoints(tmp_path, "job").save(state, {"step": object()})
