import numpy as np
import pytest
from search_world import finished, pool

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import ARCHITECTURE_FIELDS, SHAPE_COLUMNS
from bayeslaw.search import CandidatePool
from bayeslaw.search.pool import open_pool


def test_columns_are_the_architectures_own_numbers_and_candidates_come_back():
    candidates = pool(60)
    held = CandidatePool.from_candidates(candidates)
    for name in SHAPE_COLUMNS:
        expected = [float(getattr(c.architecture, name)) for c in candidates]
        assert held.columns[name].tolist() == expected, name
    assert [held[row] for row in range(len(held))] == candidates
    axes = {name: held.columns[name] for name in (*ARCHITECTURE_FIELDS, "n_tokens")}
    again = CandidatePool.from_axes(axes)
    assert all((again.columns[name] == held.columns[name]).all() for name in held.columns)


def test_done_and_repeated_candidates_are_left_out_in_order():
    candidates = pool(20)
    done = [finished(candidates[3], "r"), finished(pool(1, seed=77)[0], "elsewhere")]
    left = open_pool([*candidates, *candidates[5:9]], done, [])
    assert [left[row] for row in range(len(left))] == candidates[:3] + candidates[4:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layers": None}, r"\['n_layers'\] missing"),
        ({"n_layers": [2.0]}, "of one length"),
    ],
)
def test_axes_that_are_no_table_are_refused(change, message):
    held = CandidatePool.from_candidates(pool(3))
    axes = {name: held.columns[name] for name in (*ARCHITECTURE_FIELDS, "n_tokens")} | change
    axes = {name: values for name, values in axes.items() if values is not None}
    with pytest.raises(InvalidInputError, match=message):
        CandidatePool.from_axes(axes)
    with pytest.raises(InvalidInputError, match="no candidates"):
        CandidatePool.from_candidates([])


def test_taking_rows_keeps_their_order():
    held = CandidatePool.from_candidates(pool(9))
    assert [held.take(np.array([4, 1]))[row] for row in range(2)] == [held[4], held[1]]
