import json

import pytest
from pydantic import TypeAdapter

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import SCHEMA, Hyperparameters, Job, JobResult
from bayeslaw.runs.schemas import job_schema, result_schema
from bayeslaw.space import Architecture, Workload

SHAPE = Architecture(
    n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64, vocab_size=256
)
JOB = Job(
    run_id="r1", kind="train", architecture=SHAPE, n_tokens=4096, branches=(1024,),
    hyperparameters=Hyperparameters(1e-2, 512), corpus="text",
)  # fmt: skip


def parts(schema):
    return [schema, *schema["$defs"].values()]


def test_every_field_of_job_and_result_is_described():
    for schema in (job_schema(), result_schema()):
        assert schema["properties"]["schema"]["const"] == SCHEMA
        for part in parts(schema):
            assert part["description"].endswith(".")
            for name, field in part["properties"].items():
                assert field.get("description"), name


def test_the_schema_names_exactly_what_is_written(tmp_path):
    for job in (JOB, Job("m1", "measure", SHAPE, workload=Workload(1, 16, 4))):
        job.write(tmp_path / "job.json")
        written = json.loads((tmp_path / "job.json").read_text())
        assert set(written) == set(job_schema()["properties"])
        assert TypeAdapter(Job).validate_python(written) == job == Job.read(tmp_path / "job.json")
    result = JobResult("r1", "train", "done", finished=True, loss_nats=2.0)
    result.write(tmp_path / "result.json")
    written = json.loads((tmp_path / "result.json").read_text())
    assert set(written) == set(result_schema()["properties"])
    assert set(result_schema()["required"]) == {"run_id", "kind", "status"}


def test_a_job_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "job.json"
    JOB.write(path)
    path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', '"schema": 1'))
    with pytest.raises(InvalidInputError, match=f"this bayeslaw reads schema {SCHEMA}"):
        Job.read(path)
