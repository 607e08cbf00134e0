import numpy as np
import pandas as pd
import pytest

from bayeslaw.errors import RunTableError
from bayeslaw.runs.files import read_runs

ROWS = {
    "n_params": [1_000_000, 2_000_000, 4_000_000],
    "n_tokens": [20_000_000, 40_000_000, 80_000_000],
    "loss_nats": [3.1, 3.4, 2.8],
}


def write(tmp_path, finished, suffix=".csv", **columns):
    path = tmp_path / f"runs{suffix}"
    frame = pd.DataFrame({**ROWS, **columns, "finished": finished})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("finished", [[1, 0, 1], [True, False, True], ["true", "False", "1"]])
def test_an_unfinished_schedule_is_no_evidence_and_the_table_says_so(finished, suffix, tmp_path):
    table = read_runs(write(tmp_path, [str(v) for v in finished], suffix))
    assert table["loss_nats"].tolist() == [3.1, 2.8]
    assert table.left_out == ("finished", "1 of 3 rows, whose schedule is not finished")


def test_a_row_keeps_the_line_that_it_has_in_the_file(tmp_path):
    assert read_runs(write(tmp_path, [0, 1, 1])).run_ids == ("runs.csv:3", "runs.csv:4")


def test_names_and_trunks_stay_with_their_rows(tmp_path):
    path = write(tmp_path, [1, 0, 1], run_id=["a", "b", "c"], trunk=["x", "x", "y"])
    table = read_runs(path)
    assert (table.run_ids, table.trunks) == (("a", "c"), ("x", "y"))


def test_an_unfinished_row_need_not_have_a_loss(tmp_path):
    table = read_runs(write(tmp_path, [1, 0, 1], loss_nats=[3.1, np.nan, 2.8]))
    assert len(table) == 2


def test_a_table_of_finished_runs_is_read_whole(tmp_path):
    table = read_runs(write(tmp_path, [1, 1, 1]))
    assert len(table) == 3 and table.left_out == ("finished",)


def test_every_row_is_taken_when_the_column_is_ignored_by_name(tmp_path):
    assert len(read_runs(write(tmp_path, [1, 0, 1]), ignore=("finished",))) == 3
    assert len(read_runs(write(tmp_path, [1, 0, 1]), ignore=("*",))) == 2


@pytest.mark.parametrize(
    ("finished", "match"),
    [
        ([0, 0, 0], "no row is finished"),
        (["1", "perhaps", "1"], "row 2, column 'finished': 'perhaps' is neither true"),
        (["1", "", "1"], "row 2, column 'finished': '' is neither"),
    ],
)
def test_a_column_that_leaves_nothing_or_says_neither_is_refused(finished, match, tmp_path):
    with pytest.raises(RunTableError, match=match):
        read_runs(write(tmp_path, finished))
