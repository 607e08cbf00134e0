import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import JobResult, Run
from bayeslaw.space import Architecture

SMALL = Architecture(
    n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=256
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(
    st.builds(
        Run,
        run_id=st.text(min_size=1),
        n_tokens=st.integers(1, 10**15),
        architecture=st.sampled_from([None, SMALL]),
        status=st.sampled_from(["planned", "leased", "running", "done", "failed", "stopped"]),
        loss_nats=st.none() | FLOATS,
        cost_gpu_hours=st.none() | FLOATS,
        reason=st.text(),
        columns=st.dictionaries(st.text(), FLOATS, max_size=3),
        record=st.dictionaries(st.text(), JSON, max_size=3),
    )
)
def test_a_run_survives_json(run):
    assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_a_concluded_run_survives_json():
    result = JobResult("r1", "train", "done", finished=True, loss_nats=2.5, seconds=36.0)
    run = Run("r1", n_tokens=1000, architecture=SMALL).conclude(result)
    assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"run_id": "r1", "n_tokens": 1, "loss": 2.0}, r"unknown run field\(s\) \['loss'\]"),
        ({"run_id": "r1"}, r"needs \['n_tokens'\]"),
        ({"run_id": "r1", "n_tokens": 1, "status": "ended"}, "status must be one of"),
    ],
)
def test_what_is_no_run_is_named(values, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        Run.from_dict(values)
