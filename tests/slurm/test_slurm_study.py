"""Studies of real trainings on a real cluster: a node dies, a time limit passes, a whole loop."""

import json
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.slurm.cluster import shared_cluster

from bayeslaw import Study
from bayeslaw.executors.slurm import SlurmExecutor, SlurmOptions
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.opening import open_state

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]

LAB = (sys.executable, str(Path(__file__).with_name("saving_lab.py")), "job.json")
N_RUNS = 12
STUDY = {
    "name": "small",
    "space": {
        "axes": {
            "n_layers": [1, 2], "d_model": [32, 48], "n_heads": [2, 4], "n_kv_heads": [1, 2],
            "head_dim": 16, "d_ff": [64, 128], "vocab_size": 256, "tied_embeddings": True,
            "n_tokens": [65_536, 98_304],
        },
    },
    "train": {"constraints": ["n_params <= 60e3"], "seq_len": 64, "command": list(LAB)},
    "workload": {"prompt_tokens": 32, "output_tokens": 16},
    "target": {
        "n_params": 80_000, "n_tokens": 131_072, "tolerance": 0.25,
        "baseline": {"n_layers": 2, "d_model": 48, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16,
                     "d_ff": 128, "tied_embeddings": True},
    },
    "plan": {"initial_runs": N_RUNS, "rounds": 0, "budget_gpu_hours": 1.0},
    "executor": {"name": "slurm", "slots": 4, "squeue_seconds": 0.5},
}  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    return shared_cluster()


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:80]:
        source = path.read_text(encoding="utf-8")
        for i in range(0, len(source), 2000):
            (folder / f"{path.stem}{i}.txt").write_text(source[i : i + 2000])
    return folder


def wait_until(condition, seconds=180.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def nodes_of(folder):
    """Return the node of every start of a job."""
    path = folder / "process.starts"
    return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []


def has_ended(folder):
    return (folder / "result.json").exists()


def is_at_work(folder):
    """Say whether a job trains and has saved its state."""
    return (folder / "checkpoints" / "latest").exists() and not has_ended(folder)


def test_a_study_that_loses_a_node_does_every_run_once(cluster, text, tmp_path):
    train = {**STUDY["train"], "corpus": str(text)}
    study = Study.create(tmp_path / "study", StudyConfig.from_dict({**STUDY, "train": train}))
    names = [run.run_id for run in study.plan_first_runs()]
    assert len(names) == N_RUNS
    folders = {name: tmp_path / "study" / "jobs" / name for name in names}
    driver = ThreadPoolExecutor(1)
    training = driver.submit(study.train)
    wait_until(lambda: training.done() or any(map(is_at_work, folders.values())))
    hit = next(name for name in names if is_at_work(folders[name]))
    victim = nodes_of(folders[hit])[-1]
    struck = [
        name for name in names if victim in nodes_of(folders[name]) and not has_ended(folders[name])
    ]
    assert cluster.kill_node(victim)
    ended = {run.run_id for run in training.result(timeout=400)}
    cluster.start_node(victim)
    cluster.await_nodes(cluster.nodes)

    runs = {run.run_id: run for run in open_state(tmp_path / "study").runs()}
    assert ended == set(runs) == set(names)
    assert {run.status for run in runs.values()} == {"done"}
    kinds = Counter((e.kind, e.run_id) for e in open_state(tmp_path / "study").events())
    assert all(kinds["run_done", name] == kinds["run_leased", name] == 1 for name in names)
    assert not {kind for kind, _ in kinds} & {"run_lost", "run_failed", "run_requeued"}
    attempts = {name: runs[name].record["attempts"] for name in names}
    assert attempts == {name: 2 if name in struck else 1 for name in names}
    assert attempts == {name: len(nodes_of(folders[name])) for name in names}
    assert runs[hit].record["n_restarts"] == 1  # from its checkpoint
    assert victim not in {nodes_of(folders[name])[-1] for name in struck}


def test_a_run_that_reaches_its_time_limit_saves_itself_and_goes_on(cluster, text, tmp_path):
    """A minute is the least limit there is, so the run is made to take 80 s on this machine."""
    config = StudyConfig.from_dict({**STUDY, "train": {**STUDY["train"], "corpus": str(text)}})
    study = Study.create(tmp_path / "study", config)
    study.plan_first_runs(1)
    (run,) = study.train()
    n_tokens = round(80 * run.record["tokens_per_second"])
    job = replace(study.training_job(run), n_tokens=n_tokens)
    options = SlurmOptions(time="1", signal_seconds=20, squeue_seconds=0.5)
    folder = tmp_path / "long"
    with SlurmExecutor(1, command=LAB, options=options) as executor:
        handle = executor.submit(job, folder)
        wait_until(lambda: executor.poll(handle).is_over, 500)
        result = executor.collect(handle)
    assert result.status == "done", result.reason
    assert "stopped by SIGUSR2, state saved" in (folder / "stderr.txt").read_text()
    assert result.record["attempts"] == len(nodes_of(folder)) >= 2
    assert result.record["n_restarts"] == result.record["attempts"] - 1
    assert result.record["tokens_trained"] > 0.99 * n_tokens  # in whole steps, none twice


def test_the_whole_loop_runs_on_slurm(cluster, text, tmp_path):
    """Timings too; the study's own file says nothing of Slurm."""
    content = {key: value for key, value in STUDY.items() if key != "executor"}
    content["space"] = {"axes": {**STUDY["space"]["axes"], "n_tokens": [16_384, 32_768]}}
    content["target"] = {**STUDY["target"], "n_tokens": 65_536}
    content["train"] = {"constraints": ["n_params <= 60e3"], "seq_len": 64, "corpus": str(text)}
    content["plan"] = {"initial_runs": 4, "rounds": 1, "runs_per_round": 2, "measured": 4,
                       "pool": 64, "budget_gpu_hours": 1.0}  # fmt: skip
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    section = {"name": "slurm", "slots": 4, "squeue_seconds": 0.5}
    (tmp_path / "cluster.yaml").write_text(yaml.safe_dump(section))
    folder = tmp_path / "study"
    words = ["run", "study.yaml", "--executor", "cluster.yaml", "--folder", "study", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "bayeslaw", *words],
        capture_output=True, text=True, cwd=tmp_path, timeout=560, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["check"]["recommended_loss"] > 0
    state = open_state(folder)
    assert [run.status for run in state.runs()] == ["done"] * 8
    assert state.config["executor"] == {"name": "local", "slots": 2}
    jobs = {path.name for path in (folder / "jobs").iterdir()}
    assert jobs == {run.run_id for run in state.runs()} | set(state.measurements())
    assert all(nodes_of(folder / "jobs" / name) for name in jobs)  # all by Slurm, timings too
