"""Rows that branched from one training job, and what a file says in words."""

from dataclasses import replace

import pytest

from bayeslaw.errors import RunTableError
from bayeslaw.runs import RunTable
from bayeslaw.runs.files import read_runs, write_runs

COLUMNS = {
    "n_params": [1e6, 1e6, 2e6],
    "n_tokens": [1e7, 2e7, 2e7],
    "loss_nats": [3.1, 3.0, 2.9],
    "seed": [0, 0, 7],
}


@pytest.fixture
def table():
    return RunTable.from_columns(COLUMNS, trunks=("a", "a", "b"))


def test_selected_rows_keep_their_trunks(table):
    assert table.select([2, 0]).trunks == ("b", "a")
    assert replace(table, trunks=()).select([2, 0]).trunks == ()


def test_the_same_numbers_from_other_trunks_are_other_data(table):
    alone = RunTable.from_columns(COLUMNS)
    regrouped = RunTable.from_columns(COLUMNS, trunks=("a", "b", "b"))
    assert len({table.fingerprint, alone.fingerprint, regrouped.fingerprint}) == 3
    assert replace(table, trunks=()).fingerprint == alone.fingerprint


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_trunks_are_written_and_read_back(table, suffix, tmp_path):
    write_runs(table, tmp_path / f"runs{suffix}")
    again = read_runs(tmp_path / f"runs{suffix}")
    assert again.trunks == table.trunks
    assert again.fingerprint == table.fingerprint


def test_words_that_are_known_are_named_as_left_out(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("n_params,n_tokens,loss_nats,device,schedule,trunk\n9,9,2,H100,wsd,t\n")
    table = read_runs(path)
    assert table.left_out == ("device", "schedule") and table.trunks == ("t",)
    assert read_runs(path, ignore=("trunk",)).trunks == ()
    path.write_text("n_params,n_tokens,loss_nats,gpu\n9,9,2,H100\n")
    with pytest.raises(RunTableError, match=r"unknown column.s. .'gpu'"):
        read_runs(path)


def test_a_trunk_is_named_for_every_row_or_for_none():
    with pytest.raises(RunTableError, match="2 trunks for 3 rows"):
        RunTable.from_columns(COLUMNS, trunks=("a", "b"))
