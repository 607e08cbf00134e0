"""The parts of the Slurm executor that need no cluster: options, tickets, the script, the words."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from bayeslaw.errors import InvalidInputError, StateError, UnavailableError
from bayeslaw.executors import LocalExecutor, read_options
from bayeslaw.executors.slurm import SlurmExecutor, SlurmOptions
from bayeslaw.executors.slurm.client import SlurmJob
from bayeslaw.executors.slurm.script import NO_FOLDER, REVOKED, batch_script
from bayeslaw.executors.slurm.sent_job import SentJob
from bayeslaw.executors.slurm.ticket import Ticket
from bayeslaw.runs import Hyperparameters, Job
from bayeslaw.space import Architecture

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
JOB = Job(
    "r1", "train", SMALL, n_tokens=1000, corpus="text",
    hyperparameters=Hyperparameters(learning_rate=0.01, batch_tokens=128),
)  # fmt: skip
# A lab that saves itself when told by SIGUSR2, and says which start this is.
SAVING = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(85))
pathlib.Path("listening").write_text(os.environ["BAYESLAW_ATTEMPT"] + os.environ["A_WORD"])
time.sleep(60)
"""


def start(folder, command, *, max_attempts=1, **options):
    """Run the script of an array of one job as a node would."""
    script = batch_script(
        "b", [(folder, max_attempts)], command, environment={"A_WORD": "it's"}, **options
    )
    task = {"SLURM_ARRAY_TASK_ID": "0", "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n1"}
    return subprocess.Popen(
        ["/bin/sh"], stdin=subprocess.PIPE, env={**os.environ, **task}, text=True
    ), script


def run(folder, command, **options):
    process, script = start(folder, command, **options)
    process.communicate(script, timeout=20)
    return process.returncode


def squeue_says(state, reason="None", node="n1"):
    return SlurmJob("7_0", "8", "bayeslaw-b", state, node, 60.0, reason)


@pytest.fixture
def sent(tmp_path):
    """A job that was sent to Slurm by us, as job 7_0."""
    entry = SentJob.take_up(JOB, tmp_path, max_requeues=1)
    entry.ticket = Ticket.issue(tmp_path, "b", 0)
    entry.ticket.note("7")
    return entry


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"partitoin": "gpu"}, "no option 'partitoin'; it has"),
        ({"time": "four hours"}, "time"),
        ({"flags": ["--time=3"]}, "option for it"),
        ({"flags": ["-t 3"]}, "--flag=value"),
        ({"gpus": -1}, "gpus"),
    ],
)
def test_a_wrong_option_is_named(options, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        read_options("slurm", options)


def test_options_become_flags_of_sbatch():
    options = SlurmOptions(
        partition="gpu",
        memory="32G",
        time=240,
        gpus=2,
        gpu_type="h100",
        flags=("--mail-type=FAIL",),
    )
    flags = options.sbatch_flags(threads=8, device="cuda", is_timing=True)
    wanted = "--cpus-per-task=8 --partition=gpu --mem=32G --time=240 --gres=gpu:h100:2 --exclusive"
    assert {*wanted.split(), "--requeue", "--mail-type=FAIL"} <= set(flags)
    shared = SlurmOptions(exclusive_timing=False)
    plain = shared.sbatch_flags(threads=1, device="cpu", is_timing=True)
    assert not [flag for flag in plain if flag.startswith(("--gres", "--exclusive", "--time"))]


def test_without_slurm_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"no sbatch.*login node"):
        SlurmExecutor()


def test_a_ticket_is_used_or_revoked_but_never_both(tmp_path):
    ticket = Ticket.issue(tmp_path, "b", 0)
    assert Ticket.read(tmp_path) == ticket
    assert run(tmp_path, ["sh", "-c", "exit 3"]) == 3
    assert not ticket.revoke()
    assert ticket.exit_code == 3

    later = Ticket.issue(tmp_path, "c", 0)
    assert run(tmp_path, ["touch", "again"]) == REVOKED  # the sending of before, started again
    assert later.revoke() and later.revoke()
    assert not (tmp_path / "again").exists()


def test_a_sending_that_was_given_up_never_runs(tmp_path):
    ticket = Ticket.issue(tmp_path, "b", 0)
    assert ticket.revoke()
    assert run(tmp_path, ["touch", "ran"]) == REVOKED
    assert not (tmp_path / "ran").exists()


def test_what_slurm_may_be_at_work_on_is_not_started_here_too(tmp_path):
    ticket = Ticket.issue(tmp_path, "b", 0)
    ticket.note("7")
    (tmp_path / "slurm" / "b.open").rename(tmp_path / "slurm" / "b.used")
    with LocalExecutor(command=["sh", "-c", "exit 3"]) as local:
        with pytest.raises(StateError, match="Slurm was given job 'r1' as 7_0"):
            local.submit(JOB, tmp_path)
        (tmp_path / "slurm" / "b.exit").write_text("85")
        handle = local.submit(JOB, tmp_path)
        while not local.poll(handle).is_over:
            time.sleep(0.01)
        assert "code 3" in local.collect(handle).reason
    assert run(tmp_path, ["touch", "ran"]) == REVOKED  # put back in the queue, it finds no ticket
    assert not (tmp_path / "ran").exists()


def test_the_script_tells_the_lab_that_time_is_up(tmp_path):
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    Ticket.issue(folder, "b", 0)
    process, script = start(folder, [sys.executable, "-c", SAVING], setup=["export PATH"])
    process.stdin.write(script)
    process.stdin.close()
    deadline = time.monotonic() + 20
    while not (folder / "listening").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGUSR2)
    assert process.wait(timeout=20) == 85
    assert (folder / "listening").read_text() == "1it's"
    assert Ticket.read(folder).exit_code == 85


def test_a_lab_that_is_still_loading_does_not_die_of_the_signal(tmp_path):
    Ticket.issue(tmp_path, "b", 0)
    process, script = start(tmp_path, ["sh", "-c", "touch up; sleep 0.5; exit 4"])
    process.stdin.write(script)
    process.stdin.close()
    while not (tmp_path / "up").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR2)
    assert process.wait(timeout=20) == 4


def test_a_command_that_does_not_exist_and_a_folder_that_is_not_there(tmp_path):
    Ticket.issue(tmp_path, "b", 0)
    assert run(tmp_path, ["no-such-lab"]) == 127
    assert "no-such-lab" in (tmp_path / "stderr.txt").read_text()
    assert run(tmp_path / "nowhere", ["true"]) == NO_FOLDER


def test_a_job_whose_node_dies_waits_and_runs_again(sent):
    sent.hear(squeue_says("RUNNING"))
    assert (sent.phase, sent.seconds) == ("running", 60.0)
    sent.hear(squeue_says("PENDING", "BeginTime"))
    assert (sent.phase, sent.waits_for) == ("queued", "BeginTime")


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED"])
def test_a_job_that_slurm_gave_up_blamelessly_is_sent_again_so_many_times(sent, tmp_path, state):
    starts = tmp_path / "process.starts"
    run(tmp_path, ["sh", "-c", "kill -9 $PPID"])
    sent.hear(squeue_says(state))
    assert (sent.phase, sent.ticket) == ("queued", None)
    sent.ticket = Ticket.issue(tmp_path, "b2", 0)
    (tmp_path / "slurm" / "b2.open").rename(tmp_path / "slurm" / "b2.used")
    starts.write_text("1 n1\n2 n2\n")
    sent.hear(squeue_says(state))
    assert sent.phase == "ended"
    assert "started 2 times" in sent.reason


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "time limit.*options time or signal_seconds"),
        ("OUT_OF_MEMORY", "raise executor option memory"),
        ("CANCELLED", "cancelled at Slurm on n1"),
        ("FAILED", "RaisedSignal:9"),
    ],
)
def test_what_slurm_ended_says_why(sent, tmp_path, state, words):
    run(tmp_path, ["sh", "-c", "kill -9 $PPID"])
    sent.hear(squeue_says(state, "RaisedSignal:9(Killed)"))
    assert sent.phase == "ended"
    assert re.search(words, sent.reason)


def test_a_job_that_never_started_says_where_it_should_have(sent, tmp_path):
    sent.hear(squeue_says("FAILED", "NonZeroExitCode"))
    assert "before the lab was started" in sent.reason and str(tmp_path) in sent.reason


def test_a_job_that_slurm_has_forgotten(sent, tmp_path):
    """Never started it is sent again; started and gone without a word it is lost."""
    sent.hear_nothing("")
    assert (sent.phase, sent.ticket) == ("queued", None)
    sent.ticket = Ticket.issue(tmp_path, "b3", 0)
    (tmp_path / "slurm" / "b3.open").rename(tmp_path / "slurm" / "b3.used")
    sent.hear_nothing("")
    assert sent.phase == "lost"


def test_what_another_driver_left_over_is_sent_again_when_it_has_ended(sent, tmp_path):
    run(tmp_path, ["sh", "-c", "exit 3"])
    again = SentJob.take_up(JOB, tmp_path, max_requeues=1)
    again.hear(squeue_says("FAILED", "NonZeroExitCode"))
    assert (again.phase, again.ticket) == ("queued", None)
    still = SentJob.take_up(JOB, tmp_path, max_requeues=1)
    still.hear(squeue_says("RUNNING"))
    still.hear(squeue_says("FAILED", "NonZeroExitCode"))
    assert (still.phase, "code 3" in still.reason) == ("ended", True)
