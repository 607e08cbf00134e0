"""Which executors there are, and how a study's file chooses one."""

import json
import subprocess
import sys

import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.executors import EXECUTORS, LocalExecutor, find_executor
from bayeslaw.study.config import ExecutorSection, validated


def section(**content):
    return validated(ExecutorSection, content, "wrong")


def test_every_executor_is_described_without_its_engine():
    """Reading a file must not need Ray, nor a Slurm cluster."""
    program = (
        "import sys; from bayeslaw.executors import EXECUTORS, find_executor\n"
        "kinds = [find_executor(name).options.model_json_schema() for name in EXECUTORS]\n"
        "print(len(kinds), {'ray', 'torch', 'jax'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", program]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said == f"{len(EXECUTORS)} set()\n"


def test_a_file_chooses_an_executor_and_its_options():
    given = {"name": "slurm", "slots": 12, "threads": 8, "partition": "gpu", "time": "4:00:00"}
    assert section(**given).model_dump(mode="json") == given
    assert section(**given).threads_a_job == 8
    assert section(name="slurm").threads_a_job == 1


def test_what_is_left_out_is_not_kept_so_an_earlier_study_stays_the_same():
    assert section(slots=2).model_dump(mode="json") == {"name": "local", "slots": 2}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"name": "slum"}, "must be one of"),
        ({"partition": "gpu"}, "'local' has no option 'partition'"),
        ({"name": "slurm", "partitoin": "gpu"}, "no option 'partitoin'; it has.*'partition'"),
        ({"name": "slurm", "squeue_seconds": 0}, "squeue_seconds"),
        ({"slots": 0}, "slots"),
        ({"threads": 0}, "threads"),
    ],
)
def test_a_wrong_word_is_named_when_the_file_is_read(content, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        section(**content)


def test_an_executor_is_named_or_has_a_file_of_its_own(tmp_path):
    assert ExecutorSection.read("slurm") == ExecutorSection(name="slurm")
    file = tmp_path / "cluster.yaml"
    file.write_text(json.dumps({"name": "slurm", "slots": 12, "qos": "low"}))
    assert ExecutorSection.read(str(file)) == section(name="slurm", slots=12, qos="low")
    with pytest.raises(InvalidInputError, match=r"or a YAML file, got 'slum'"):
        ExecutorSection.read("slum")
    with pytest.raises(InvalidInputError, match="cannot open"):
        ExecutorSection.read(str(tmp_path / "nowhere.yaml"))


def test_timings_run_one_at_a_time_with_the_threads_of_a_training():
    given = section(slots=3, threads=2)
    with given.open() as training, given.open(is_timing=True) as timing:
        assert isinstance(training, LocalExecutor) and isinstance(timing, LocalExecutor)
        assert (training.slots, timing.slots) == (3, 1)
        assert (training.threads, timing.threads) == (2, 2)


def test_cores_are_shared_out_where_no_threads_are_named():
    assert section(slots=1).threads_a_job == find_executor("local").threads(1) >= 1
