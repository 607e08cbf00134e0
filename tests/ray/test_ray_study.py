"""A study of real trainings on a real Ray, one of its workers killed in mid-run."""

import os
import signal
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from bayeslaw import Study
from bayeslaw.executors import LocalExecutor
from bayeslaw.study.config import ExecutorSection, StudyConfig

pytestmark = pytest.mark.ray

STUDY = {
    "name": "small",
    "space": {
        "axes": {
            "n_layers": [1, 2], "d_model": [32, 48], "n_heads": [2, 4], "n_kv_heads": [1, 2],
            "head_dim": 16, "d_ff": [64, 128], "vocab_size": 256, "tied_embeddings": True,
            "n_tokens": [98_304, 131_072],
        },
    },
    "train": {"constraints": ["n_params <= 60e3"], "seq_len": 64},
    "target": {
        "n_params": 80_000, "n_tokens": 524_288, "tolerance": 0.25,
        "baseline": {"n_layers": 2, "d_model": 48, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16,
                     "d_ff": 128, "tied_embeddings": True},
    },
    "plan": {"initial_runs": 4, "rounds": 0, "budget_gpu_hours": 1.0},
}  # fmt: skip


def write_text(folder):
    folder.mkdir()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:80]:
        source = path.read_text(encoding="utf-8")
        for i in range(0, len(source), 2000):
            (folder / f"{path.stem}{i}.txt").write_text(source[i : i + 2000])
    return folder


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Killer(threading.Thread):
    """Kill -9 the Ray worker of the first training that has begun to make steps."""

    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.jobs = jobs
        self.killed = None

    def run(self):
        while self.killed is None:
            for folder in sorted(self.jobs.glob("*")):
                said = folder / "stdout.txt"
                if said.exists() and said.read_text().count('"step"') >= 2:
                    lab = int((folder / "process.pid").read_text().split()[0])
                    worker = parent_of(lab)
                    assert "ray::" in Path(f"/proc/{worker}/cmdline").read_text()
                    os.kill(worker, signal.SIGKILL)
                    self.killed = folder
                    return
            time.sleep(0.02)


@pytest.mark.timeout(600)  # 50 s on two quiet cores, 280 s at a load of 13
def test_a_study_whose_worker_is_killed_does_every_run_once(tmp_path):
    ray = pytest.importorskip("ray")
    ray.shutdown()  # the contract suite leaves one
    config = {**STUDY, "train": {**STUDY["train"], "corpus": str(write_text(tmp_path / "text"))}}
    study = Study.create(
        tmp_path / "study",
        StudyConfig.from_dict(config),
        executor=ExecutorSection(name="ray", slots=2, threads=1),
    )
    planned = study.plan_first_runs()
    killer = Killer(tmp_path / "study" / "jobs")
    killer.start()
    ended = study.train()
    killer.join(timeout=10)
    assert killer.killed is not None

    assert sorted(run.run_id for run in ended) == sorted(run.run_id for run in planned)
    assert {run.run_id: run.status for run in study.runs} == dict.fromkeys(
        (run.run_id for run in planned), "done"
    )
    attempts = {run.run_id: run.record["attempts"] for run in ended}
    assert attempts.pop(killer.killed.name) == 2
    assert set(attempts.values()) == {1}
    completed = Counter(event.run_id for event in study.state.events() if event.kind == "run_done")
    assert completed == Counter(run.run_id for run in planned)
    assert not ray.is_initialized()

    # It resumed, and ended where an undisturbed training ends.
    killed = next(run for run in ended if run.run_id == killer.killed.name)
    with LocalExecutor(threads=1) as local:
        handle = local.submit(study.training_job(killed), tmp_path / "undisturbed")
        while not local.poll(handle).is_over:
            time.sleep(0.1)
        assert local.collect(handle).loss_nats == pytest.approx(killed.loss_nats, rel=1e-6)
