import copy

import pytest
import yaml

from bayeslaw.errors import BayeslawError, NotFoundError
from bayeslaw.shipped import shipped_file, shipped_folder
from bayeslaw.study.config import StudyConfig

DEMO = yaml.safe_load(shipped_file("search", "demo").read_text())


def changed(path, value):
    content = copy.deepcopy(DEMO)
    *parents, last = path.split(".")
    place = content
    for name in parents:
        place = place[name]
    place[last] = value
    return content


STUDIES = [p for p in sorted(shipped_folder("search").glob("*.yaml")) if "suite" not in p.stem]


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.stem)
def test_every_shipped_study_is_sound(path):
    config = StudyConfig.read(path)
    assert not config.training_space.is_empty()
    assert not config.target_space.is_empty()
    assert StudyConfig.from_dict(config.to_dict()) == config


def test_the_demo_asks_for_a_target_four_times_beyond_any_run():
    config = StudyConfig.read(shipped_file("search", "demo"))
    pool = config.training_space.sample(5000)
    largest = max(c.architecture.n_params * c.n_tokens for c in pool)
    target = config.target_space.sample(5000)
    assert min(c.architecture.n_params * c.n_tokens for c in target) >= 4 * largest


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("plan.round", 3, "plan.round: Extra inputs"),
        ("plan.budget_gpu_hours", -1, "budget_gpu_hours"),
        ("space.axes.d_modell", 64, "d_modell"),
        ("space.constraints", ["n_parms <= 3"], "n_parms"),
        ("train.constraints", ["__import__('os')"], "cannot read"),
        ("target.baseline.d_model", 512, "unfair"),
        ("target.limits", ["tpot_ms * 2"], "a limit compares"),
        ("workload.batch", 3, "batch"),
        ("train.device", "tpu", "train.device"),
        ("executor.slots", 0, "executor.slots"),
    ],
)
def test_a_study_that_makes_no_sense_says_where(path, value, match):
    with pytest.raises(BayeslawError, match=match):
        StudyConfig.from_dict(changed(path, value))


def test_files_that_are_not_studies_are_refused(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1, 2")
    with pytest.raises(BayeslawError, match="not YAML"):
        StudyConfig.read(bad)
    bad.write_text("just text")
    with pytest.raises(BayeslawError, match="is not a study"):
        StudyConfig.read(bad)
    with pytest.raises(BayeslawError, match="cannot open"):
        StudyConfig.read(tmp_path / "absent.yaml")
    with pytest.raises(NotFoundError, match="ships only"):
        shipped_file("search", "unheard")
