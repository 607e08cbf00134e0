"""The schedulers of the examples and of the README, against a real server."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from tests.client.running_service import ROOT, running_service, start_service

SCHEDULER = ROOT / "examples" / "scheduler.py"


def environment(service, tmp_path, **more):
    (tmp_path / "token").write_text(service.admin_token)
    return {
        **os.environ,
        "BAYESLAW_URL": service.url,
        "BAYESLAW_TOKEN": service.admin_token,
        "BAYESLAW_TOKEN_FILE": str(tmp_path / "token"),
        **more,
    }


@contextlib.contextmanager
def started(command, **options):
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_scheduler_that_is_killed_goes_on_with_the_run_it_held(tmp_path):
    service = running_service()
    study = service.study(n_planned=3)
    command = [sys.executable, SCHEDULER, study.study_id, "node1"]
    with started(command, env=environment(service, tmp_path, STEP_S="0.05")) as first:
        line = first.stdout.readline()  # one is done, the next is being trained
        assert re.fullmatch(r"r1 \d\.\d+ accepted\n", line)
        until(lambda: study.run("r2").lease)
        first.send_signal(signal.SIGKILL)
        first.wait()
    held = study.run("r2")
    assert (held.status, held.lease.worker_id) == ("leased", "node1")
    with started(command, env=environment(service, tmp_path, STEP_S="0")) as second:
        assert [second.stdout.readline().split()[0] for _ in range(2)] == ["r2", "r3"]
    runs = list(study.runs())
    assert [(run.run_id, run.status, run.n_lost) for run in runs] == [
        (f"r{i}", "done", 0) for i in (1, 2, 3)
    ]
    leases = [event.run_id for event in study.events(kinds=["run_leased"])]
    assert leases == ["r1", "r2", "r2", "r3"], "r2 was handed out again, to the same worker"


@pytest.mark.slow
def test_the_sbatch_script_trains_tells_stops_and_gives_back(tmp_path):
    service = running_service()
    study = service.study(n_planned=4)
    trainer = tmp_path / "train.sh"
    trainer.write_text(
        "#!/bin/bash\nread -r run\necho step\n"
        '[[ $run == *\'"run_id": "r2"\'* ]] && exit 7\n'
        '[[ $run == *\'"run_id": "r3"\'* || $run == *\'"run_id": "r4"\'* ]] && exec sleep 60\n'
        "echo '{\"loss_nats\": 2.25}'\n"
    )
    trainer.chmod(0o755)
    told = environment(service, tmp_path, STUDY=study.study_id, TRAIN=str(trainer), LEASE_S="9")
    script = ["bash", str(ROOT / "examples" / "scheduler.sbatch")]
    with started(script, env=told) as process:
        until(lambda: study.run("r3").lease)
        study.stop("r3", "the decision is made")  # heard by a heartbeat
        until(lambda: study.run("r4").lease)
        process.send_signal(signal.SIGUSR1)  # as Slurm does before the time is up
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and not err, err
    assert out.splitlines() == ["r1 200", "r2 200"]
    assert [(run.status, run.n_lost) for run in study.runs()] == [
        ("done", 0), ("abandoned", 0), ("stopped", 0), ("planned", 0),
    ]  # fmt: skip
    assert study.run("r1").loss_nats == 2.25 and "ended with 7" in study.run("r2").reason


@pytest.mark.parametrize(
    ("page", "heading", "trainer"),
    [
        ("README.md", "## As a service", lambda shape, n_tokens: (2.0 + 1e4 / n_tokens, 0.01)),
        ("docs/service.md", "## A worker", lambda shape, n_tokens: [(9, 3.0), (n_tokens, 2.5)]),
    ],
)
def test_the_workers_on_our_pages_run(page, heading, trainer, tmp_path, monkeypatch):
    service = running_service()
    study = service.study(n_planned=2)
    section = (ROOT / page).read_text().partition(heading)[2]
    code = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL).group(1)
    for name, value in environment(service, tmp_path).items():
        monkeypatch.setenv(name, value)
    code = code.replace('"demo"', repr(study.study_id)).replace("wait_s=600", "wait_s=0")
    exec(code, {"train": trainer, "hours": 0.01})
    assert [run.status for run in study.runs()] == ["done", "done"]


@pytest.mark.slow
def test_a_scheduler_runs_what_the_planner_chooses_and_ends(tmp_path):
    service = start_service(tmp_path, ["--planners", "1"])
    try:
        study = service.study(initial_runs=4, rounds=0)
        command = [sys.executable, SCHEDULER, study.study_id, "node1"]
        told = environment(service, tmp_path, STEP_S="0.02")
        with started(command, env=told) as first:
            until(lambda: study.get().runs.get("done", 0) == 1, seconds=200)
            first.send_signal(signal.SIGKILL)
        with started(command, env=told) as second:
            _, said = second.communicate(timeout=200)
        assert "first set" in said
        runs = list(study.runs())
        assert [(run.status, run.n_lost) for run in runs] == 4 * [("done", 0)]
        assert len({(run.architecture.model_dump_json(), run.n_tokens) for run in runs}) == 4
    finally:
        service.stop()


def until(is_so, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
