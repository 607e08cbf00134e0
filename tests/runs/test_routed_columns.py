import numpy as np
import pytest

from bayeslaw.errors import RunTableError
from bayeslaw.runs import RunTable

RUNS = {"n_params": [1e8, 2e8], "n_tokens": [2e9, 4e9], "loss_nats": [3.1, 2.9]}


def test_a_dense_run_is_one_of_no_sparsity():
    table = RunTable.from_columns({**RUNS, "sparsity": [0.0, 0.75]})
    np.testing.assert_array_equal(table["active_expert_share"], [1.0, 0.25])


def test_the_share_of_experts_follows_from_their_numbers():
    table = RunTable.from_columns({**RUNS, "n_experts": [1, 8], "n_active_experts": [1, 2]})
    np.testing.assert_array_equal(table["active_expert_share"], [1.0, 0.25])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sparsity": [0.0, 1.0]}, "row 'row1', column 'sparsity': 1 must be 0 .dense. or more"),
        (
            {"sparsity": [0.0, 0.75], "active_expert_share": [1.0, 0.5]},
            "leave active_expert_share, here 0.5",
        ),
        (
            {"sparsity": [0.5, 0.5], "n_experts": [8, 8], "n_active_experts": [2, 4]},
            "contradicts n_active_experts and n_experts, which give 0.25",
        ),
        ({"n_params_active": [2e8, 2e8]}, "row 'row0'.* is more than n_params"),
        ({"n_experts": [8, 8], "n_active_experts": [8, 16]}, "16 is more than n_experts, 8"),
        ({"weight_bits": [16, 0]}, "must be a finite positive number"),
    ],
)
def test_what_contradicts_itself_is_refused(columns, message):
    with pytest.raises(RunTableError, match=message):
        RunTable.from_columns({**RUNS, **columns})
