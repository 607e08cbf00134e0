"""A whole study with real parts, killed in the middle: text, networks, timings, NUTS, a check."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from bayeslaw.report.numbers import count
from bayeslaw.study.opening import open_state

STUDY = {
    "name": "small",
    "space": {
        "axes": {
            "n_layers": [1, 2], "d_model": [16, 32, 48], "n_heads": [2, 4], "n_kv_heads": [1, 2],
            "head_dim": 16, "d_ff": [32, 64, 128], "vocab_size": 256, "tied_embeddings": True,
            "n_tokens": [16_384, 32_768],
        },
    },
    "train": {"constraints": ["n_params <= 20e3"], "seq_len": 64},
    "workload": {"prompt_tokens": 32, "output_tokens": 16},
    "target": {
        "n_params": 40_000, "n_tokens": 65_536, "tolerance": 0.25,
        "limits": ["tpot_ms <= 1.5 * baseline"],
        "baseline": {"n_layers": 2, "d_model": 48, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16,
                     "d_ff": 64, "tied_embeddings": True},
    },
    "plan": {"initial_runs": 4, "rounds": 1, "runs_per_round": 2, "measured": 5, "pool": 64,
             "budget_gpu_hours": 1.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the study, kill -9 its driver once two runs have ended, and run it again to the end."""
    home = tmp_path_factory.mktemp("whole")
    text = home / "text"
    text.mkdir()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:80]:
        source = path.read_text(encoding="utf-8")
        for i in range(0, len(source), 2000):
            (text / f"{path.stem}{i}.txt").write_text(source[i : i + 2000])
    study = home / "study.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "train": {**STUDY["train"], "corpus": str(text)}}))
    folder = home / "folder"
    command = [
        sys.executable, "-m", "bayeslaw", "run", str(study), "--folder", str(folder), "--json",
    ]  # fmt: skip
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 200
    while driver.poll() is None and time.monotonic() < deadline and n_ended(folder) < 2:
        time.sleep(0.1)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert n_ended(folder) >= 2, "the driver ended before anything could be killed"
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def n_ended(folder):
    if not (folder / "study.db").exists():
        return 0
    try:
        return sum(run.is_ended for run in open_state(folder).runs())
    except LookupError:
        return 0


@pytest.mark.timeout(600)
def test_a_killed_study_goes_on_and_does_every_run_once(finished):
    folder, summary = finished
    state = open_state(folder)
    assert [run.status for run in state.runs()] == ["done"] * 8
    endings = Counter(event.run_id for event in state.events() if event.kind == "run_done")
    assert set(endings.values()) == {1}
    assert len({(run.architecture, run.n_tokens) for run in state.runs()}) == 8
    assert len(summary["runs"]) == 6
    assert summary["rounds"] == 1


def test_the_summary_says_what_was_predicted_and_what_came(finished):
    folder, summary = finished
    assert json.loads((folder / "summary.json").read_text()) == summary
    predicted, check = summary["recommendation"], summary["check"]
    assert predicted["loss_p05"] < predicted["loss_p50"] < predicted["loss_p95"]
    assert predicted["tpot_ms_p05"] < predicted["tpot_ms_p50"] < predicted["tpot_ms_p95"]
    inside = predicted["loss_p05"] <= check["recommended_loss"] <= predicted["loss_p95"]
    assert check["loss_inside_90"] == inside
    assert all(0 <= predicted[f"p_{n}"] <= 1 for n in ("pareto", "feasible", "beats_baseline"))
    assert summary["posterior"]["max_rhat"] < 1.05
    assert summary["posterior"]["min_ess_bulk"] > 200
    assert check["n_tokens"] == summary["target"]["n_tokens"] == 65_536
    assert 0 < summary["seconds_total"] < 600


def test_the_check_is_not_learnt_from(finished):
    folder, summary = finished
    checks = [run.run_id for run in open_state(folder).runs() if run.purpose == "check"]
    assert len(checks) == 2
    assert not set(checks) & {run["id"] for run in summary["runs"]}


def test_the_report_holds_the_decision_and_needs_nothing_else(finished):
    folder, summary = finished
    page = (folder / "report.html").read_text()
    assert count(summary["check"]["n_tokens"]) in page
    ours = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)  # plotly.js names its authors
    assert len(ours) > 1000
    assert 'src="http' not in ours and 'href="http' not in ours


def test_asking_again_changes_nothing(finished):
    folder, summary = finished
    state = open_state(folder)
    before = state.runs(), state.measurements()
    command = [
        sys.executable, "-m", "bayeslaw", "run", str(folder.parent / "study.yaml"),
        "--folder", str(folder), "--json",
    ]  # fmt: skip
    again = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (state.runs(), state.measurements()) == before
    assert again == summary
