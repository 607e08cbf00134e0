import numpy as np
import pytest

from bayeslaw.errors import RunTableError
from bayeslaw.runs import RunTable

GOOD = {
    "n_params": np.array([1e6, 2e6, 4e6, 8e6]),
    "n_tokens": np.array([2e7, 2e7, 9e7, 9e7]),
    "loss_nats": np.array([3.1, 2.9, 2.6, 2.5]),
}
SHAPE = {
    "n_layers": 2.0, "d_model": 64.0, "n_heads": 4.0, "n_kv_heads": 2.0, "head_dim": 16.0,
    "d_ff": 128.0, "vocab_size": 256.0, "tied_embeddings": 1.0, "gated_mlp": 1.0,
}  # fmt: skip


def shaped(**changed):
    rows = {name: np.full(4, value) for name, value in SHAPE.items()}
    return {**rows, "n_tokens": GOOD["n_tokens"], "loss_nats": GOOD["loss_nats"], **changed}


def test_the_first_repeat_is_named_with_what_it_repeats():
    order = [2, 0, 1, 0, 2, 3]
    rows = {name: values[order] for name, values in GOOD.items()}
    with pytest.raises(RunTableError, match="row 'row3' repeats row 'row1' in every column"):
        RunTable.from_columns(rows)


def test_a_repeat_with_another_loss_or_another_seed_is_a_run_of_its_own():
    rows = {name: values[[0, 1, 2, 3, 0]] for name, values in GOOD.items()}
    assert len(RunTable.from_columns(rows | {"seed": np.arange(5.0)})) == 5
    rows["loss_nats"] = np.array([3.1, 2.9, 2.6, 2.5, 3.11])
    assert len(RunTable.from_columns(rows)) == 5


def test_two_hundred_thousand_rows_are_checked_in_seconds_and_the_one_repeat_is_found():
    n = 1e6 + np.arange(200_000.0)
    rows = {"n_params": n, "n_tokens": 20 * n, "loss_nats": 3 - 1e-7 * np.arange(200_000)}
    assert len(RunTable.from_columns(rows)) == 200_000
    for values in rows.values():
        values[199_999] = values[123]
    with pytest.raises(RunTableError, match="'row199999' repeats row 'row123'"):
        RunTable.from_columns(rows)


@pytest.mark.parametrize("row", [0, 3])
def test_a_body_heavier_than_its_network_is_refused(row):
    body = 0.8 * GOOD["n_params"]
    assert len(RunTable.from_columns(GOOD | {"n_params_body": body})) == 4
    body[row] = 1.5 * GOOD["n_params"][row]
    with pytest.raises(RunTableError, match=rf"row 'row{row}', column 'n_params_body'.*swapped"):
        RunTable.from_columns(GOOD | {"n_params_body": body})


def test_one_shape_in_many_rows_fills_in_every_row():
    table = RunTable.from_columns(shaped())
    wider = RunTable.from_columns(shaped(d_ff=np.array([128.0, 128.0, 192.0, 192.0])))
    assert len(set(table["n_params"])) == 1
    assert table["n_params"][0] == wider["n_params"][1] < wider["n_params"][2]


def test_a_stated_n_that_contradicts_one_row_s_shape_is_named():
    n = RunTable.from_columns(shaped())["n_params"].copy()
    n[2] *= 1.2
    with pytest.raises(RunTableError, match=r"row 'row2', column 'n_params'.* contradicts the"):
        RunTable.from_columns(shaped(n_params=np.round(n)))
