"""Damaged checkpoints, and disks that take no more."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.lab.checkpoint_world import (
    ENVIRONMENT,
    a_state,
    assert_same,
    contents,
    everything,
    saved,
    step,
)

from bayeslaw.errors import LabError
from bayeslaw.lab.train import train
from bayeslaw.lab.train.checkpoint import Checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")


def the_checkpoint(folder):
    (found,) = (path for path in (folder / "checkpoints").iterdir() if path.is_dir())
    return found


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


def test_training_says_that_its_checkpoint_cannot_be_written(train_job, tmp_path):
    with files_of_at_most(10_000), pytest.raises(LabError, match="cannot be written"):
        train(train_job, tmp_path, checkpoint_seconds=0.0)
    assert not list((tmp_path / "checkpoints").iterdir())
