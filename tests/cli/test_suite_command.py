"""``bayeslaw suite``: what people and programs see of it."""

import json
import subprocess
import sys

import pytest
import yaml
from tests.study.suite_world import SUITE, write_documents


@pytest.fixture
def file(tmp_path):
    text = str(write_documents(tmp_path / "text"))
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**SUITE, "train": {**SUITE["train"], "corpus": text}}))
    return path


def test_a_dry_run_prints_the_design_and_trains_nothing(bayeslaw, file, tmp_path):
    code, out, _ = bayeslaw("suite", file, "--dry-run")
    assert code == 0
    assert "15k-01-s2" in out and "correlations" in out and "7 trunks, 16 finished points" in out
    assert max(map(len, out.splitlines())) <= 100
    code, out, _ = bayeslaw("suite", file, "--dry-run", "--json")
    content = json.loads(out)
    assert len(content["trunks"]) == content["n_trunks"] == 7
    assert content["predicted_wall_seconds"] < content["predicted_core_seconds"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml", "text"]


def test_a_design_is_printed_without_torch_or_jax():
    act = "import sys; sys.argv = ['bayeslaw', 'suite', 'tiny-suite', '--dry-run', '--json']\n"
    run = "from bayeslaw.cli import main\ntry: main()\nexcept SystemExit as end: assert not end.code\n"
    check = "loaded = {'torch', 'jax'} & set(sys.modules)\nassert not loaded, loaded"
    done = subprocess.run(
        [sys.executable, "-c", act + run + check], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_points"] >= 120


def test_a_suite_is_trained_and_says_where_the_table_is(bayeslaw, file, tmp_path):
    out_folder = tmp_path / "out"
    code, out, err = bayeslaw("suite", file, "--folder", out_folder)
    assert code == 0
    assert "7 of 7 trunks done, 0 failed, 0 to go; 16 finished points" in " ".join(out.split())
    assert "30k-02 done" in err
    code, out, _ = bayeslaw("suite", file, "--folder", out_folder, "--json")
    assert code == 0 and json.loads(out)["n_done"] == 7


def test_a_failed_trunk_is_an_exit_code_and_a_reason(bayeslaw, file, tmp_path):
    folder = tmp_path / "out" / "jobs" / "30k-01"
    folder.mkdir(parents=True)
    (folder / "order.txt").write_text("diverge")
    code, out, _ = bayeslaw("suite", file, "--folder", tmp_path / "out", "--json")
    assert code == 5 and json.loads(out)["failed"] == {"30k-01": "the loss was nan"}
    code, _, err = bayeslaw("suite", file, "--folder", tmp_path / "out")
    assert code == 5 and "30k-01" in err and "the loss was nan" in err


def test_jobs_only_writes_jobs_and_trains_nothing(bayeslaw, file, tmp_path):
    code, out, _ = bayeslaw("suite", file, "--folder", tmp_path / "out", "--jobs-only", "--json")
    assert code == 0 and json.loads(out)["n_missing"] == 7
    assert len(list(tmp_path.glob("out/jobs/*/job.json"))) == 7


def test_wrong_usage_is_told(bayeslaw, file, tmp_path):
    code, _, err = bayeslaw("suite", file)
    assert code == 2 and "--folder" in err
    code, _, err = bayeslaw("suite", "unheard", "--dry-run")
    assert code == 3 and "tiny-suite" in err
    code, _, err = bayeslaw("suite", "demo", "--dry-run")
    assert code == 2 and "is not a suite" in err
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: [1")
    code, _, err = bayeslaw("suite", bad, "--dry-run")
    assert code == 2 and "not YAML" in err
