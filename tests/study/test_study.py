"""A study's own decisions, with a lab that answers at once."""

import sys
import time

import pytest

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.runs import Run
from bayeslaw.search import Beliefs
from bayeslaw.study import driving
from bayeslaw.study.config import StudyConfig
from bayeslaw.study.study import Study

QUICK_LAB = """
import json
job = json.load(open("job.json"))
result = {"schema": job["schema"], "run_id": job["run_id"], "kind": "train", "status": "done",
          "finished": True, "loss_nats": 2.0, "seconds": 3600.0}
json.dump(result, open("result.json", "w"))
"""

CONFIG = {
    "name": "quick",
    "space": {
        "axes": {
            "n_layers": [1, 2], "d_model": [32, 64], "n_heads": 2, "n_kv_heads": 2,
            "head_dim": 16, "d_ff": [64, 128], "vocab_size": 256, "tied_embeddings": True,
            "n_tokens": [1024, 2048],
        },
    },
    "train": {"command": [sys.executable, "-c", QUICK_LAB], "seq_len": 64},
    "target": {
        "n_params": 60_000, "n_tokens": 4096, "tolerance": 0.5,
        "baseline": {"n_layers": 2, "d_model": 64, "n_heads": 2, "n_kv_heads": 2, "head_dim": 16,
                     "d_ff": 128, "tied_embeddings": True},
    },
    "plan": {"initial_runs": 3, "pool": 16, "budget_gpu_hours": 2.5},
    "executor": {"slots": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for i in range(400):
        (folder / f"{i}.txt").write_text(f"document {i} says {i * i}\n")
    return folder


@pytest.fixture
def study(tmp_path, text):
    train = {**CONFIG["train"], "corpus": str(text)}
    return Study.create(tmp_path / "study", StudyConfig.from_dict({**CONFIG, "train": train}))


def test_once_the_budget_is_spent_nothing_is_suggested(study):
    study.plan_first_runs()
    assert [run.status for run in study.train()] == ["done"] * 3
    assert study.state.spent_gpu_hours() == pytest.approx(3.0)
    assert study.suggest(Beliefs()) == []
    assert len(study.runs) == 3


def test_a_driver_that_died_costs_its_run_no_chance(study):
    (planned,) = study.plan_first_runs(1)
    study.state.lease("local-0", 0.01)
    time.sleep(0.02)
    (run,) = study.train()
    assert (run.run_id, run.status) == (planned.run_id, "done")
    assert "run_lost" not in {event.kind for event in study.state.events()}


def test_a_run_that_somebody_ends_meanwhile_is_let_go(study, monkeypatch):
    monkeypatch.setattr(driving, "_HEARTBEAT_SECONDS", 0.0)
    slow = {"command": (sys.executable, "-c", "import time; time.sleep(60)")}
    train = study.config.train.model_copy(update=slow)
    study.config = study.config.model_copy(update={"train": train})
    first, second = study.plan_first_runs(2)

    def end_it(kind, details):
        if kind == "progress" and not study.state.run(details["run_id"]).is_ended:
            study.state.stop(details["run_id"], "not worth it")

    study.notify = end_it
    assert study.train() == []
    assert study.state.run(first.run_id).status == "stopped"
    assert study.state.run(second.run_id).status == "stopped"


def test_one_process_drives_a_study_and_may_do_so_in_steps(study):
    study.plan_first_runs(1)
    other = Study(study.folder)
    with study.driving():
        with pytest.raises(StateError, match="another process is driving"):
            other.train()
        assert len(study.train()) == 1
        with pytest.raises(StateError, match="another process is driving"), other.driving():
            pass
    with other.driving():
        pass


def test_runs_are_not_named_like_imported_ones(study):
    named = [Run("r0002", 10, columns={"n_params": 5.0}), Run("r0003", 10, columns={"n_params": 6})]
    study.state.add_runs([run.complete(loss_nats=3.0, cost_gpu_hours=0.1) for run in named])
    assert [run.run_id for run in study.plan_first_runs(2)] == ["r0004", "r0005"]


@pytest.mark.parametrize(
    ("section", "change", "match"),
    [
        ("plan", {"laws": ["unheard"]}, "plan.laws: .'unheard'. unknown"),
        ("plan", {"laws": []}, "plan.laws is empty"),
        ("plan", {"acquisition": "unheard"}, "plan.acquisition"),
        ("train", {"recipe": "unheard"}, "train.recipe"),
        ("target", {"objectives": ["-losss"]}, "losss"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_done(tmp_path, section, change, match):
    config = StudyConfig.from_dict({**CONFIG, section: {**CONFIG[section], **change}})
    with pytest.raises(InvalidInputError, match=match):
        Study.create(tmp_path / "study", config)
    assert not (tmp_path / "study").exists()
