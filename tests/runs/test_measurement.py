import json
import math
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import JobResult, Measurement
from bayeslaw.runs.schemas import result_schema
from bayeslaw.space import Architecture, Workload

SMALL = Architecture(
    n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64, vocab_size=256
)
TIMED = Measurement(SMALL, Workload(output_tokens=5), "cpu", "torch 2", 3.0, 0.5, 0.1, 0.01, 30)
FULL = replace(
    TIMED,
    percentiles={"ttft_ms": {"p50": 3.0}, "tpot_ms": {"p50": 0.5}},
    e2el_ms=5.1,
    session="monday",
)
TOO_LARGE = Measurement.infeasible(
    SMALL, Workload(), "h200", "torch 2", record={"why": "full"}, session="monday"
)


def through_json(measurement):
    text = json.dumps(measurement.to_dict(), allow_nan=False)
    return Measurement.from_dict(json.loads(text))


@pytest.mark.parametrize("measurement", [TIMED, FULL, TOO_LARGE])
def test_json_gives_back_what_was_written(measurement):
    assert through_json(measurement) == measurement
    assert through_json(measurement).to_dict() == measurement.to_dict()


def test_measurements_differ_where_a_figure_does():
    assert replace(TIMED, tpot_ms=0.6) != TIMED
    assert TOO_LARGE != TIMED
    assert replace(TOO_LARGE, session="tuesday") != TOO_LARGE


def test_a_request_takes_the_prefill_and_the_later_tokens():
    assert TIMED.e2e_ms == 3.0 + 4 * 0.5
    assert TIMED.is_feasible


def test_what_ran_out_of_memory_has_no_timings():
    assert not TOO_LARGE.is_feasible
    assert all(math.isnan(value) for value in (TOO_LARGE.ttft_ms, TOO_LARGE.tpot_ms))
    assert TOO_LARGE.n_repeats == 0 and TOO_LARGE.e2el_ms is None
    written = TOO_LARGE.to_dict()
    assert written["ttft_ms"] is written["tpot_ms"] is None and written["out_of_memory"]


def test_an_older_record_is_read():
    newer = {"percentiles", "e2el_ms", "out_of_memory", "session"}
    older = {name: value for name, value in TIMED.to_dict().items() if name not in newer}
    assert Measurement.from_dict(older) == TIMED


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"latency": 3}, r"unknown measurement field\(s\) \['latency'\]"),
        ({"tpot_ms": None}, "tpot_ms must be positive milliseconds, got nan"),
        ({"ttft_ms": 0.0}, "ttft_ms must be positive"),
        ({"e2el_ms": -1.0}, "e2el_ms must be positive"),
        ({"out_of_memory": True}, "ran out of memory has no timings"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(change, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        Measurement.from_dict({**TIMED.to_dict(), **change})


def test_a_record_that_lacks_a_figure_is_refused():
    values = TIMED.to_dict()
    del values["tpot_ms"]
    with pytest.raises(InvalidInputError, match=r"needs field\(s\) \['tpot_ms'\]"):
        Measurement.from_dict(values)


@pytest.mark.parametrize("measurement", [FULL, TOO_LARGE])
def test_a_result_carries_either(measurement, tmp_path):
    path = tmp_path / "result.json"
    result = JobResult("m1", "measure", "done", finished=True, measurement=measurement)
    result.write(path)
    assert JobResult.read(path) == result
    described = result_schema()["$defs"]["Measurement"]["properties"]
    written = json.loads(path.read_text())["measurement"]
    assert set(written) == set(described)
    for name in ("ttft_ms", "tpot_iqr_ms"):
        assert described[name]["type"] == ["number", "null"]
    if measurement.is_feasible:
        assert TypeAdapter(Measurement).validate_python(written) == measurement
