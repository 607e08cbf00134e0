import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition import Problem
from bayeslaw.search.acquisition.design_point import DesignPoint, feature
from bayeslaw.search.acquisition.isoflop_grid import ISOFLOP_GRID
from bayeslaw.search.acquisition.one_factor_grid import ONE_FACTOR_GRID

NAMES = (
    "n_params_body", "n_tokens", "aspect_ratio", "mlp_attention_ratio", "gqa_group", "head_dim",
)  # fmt: skip


def grid_problem(n_done=0, with_target=True, seed=0):
    """A pool of six sizes, three numbers of tokens a weight and shapes at random."""
    rng = np.random.default_rng(seed)
    rows = [
        [size, size + np.log2(tokens), rng.uniform(4, 8), rng.uniform(-1, 2), rng.integers(4), 6.0]
        for size in np.log2(np.geomspace(3e7, 3e8, 6))
        for tokens in (10, 20, 40)
        for _ in range(160)
    ]
    target = [[np.log2(1e9), np.log2(1e9) + np.log2(20), 6.0, 1.0, 1.0, 6.0]] * with_target
    done = rows[:n_done]
    features = np.array([*rows, *done, *target])
    return Problem(
        n_candidates=len(rows),
        n_done=n_done,
        n_pending=0,
        n_target=len(target),
        features=features,
        feature_names=NAMES,
        seed=0,
    )


def follow(way, problem, n_runs):
    taken = []
    for _ in range(n_runs):
        score = way.score(problem, taken)
        assert score.shape == (problem.n_candidates,)
        score[taken] = -np.inf
        taken.append(int(np.argmax(score)))
    return problem.features[taken]


def test_one_factor_grid_has_three_sizes_at_the_targets_tokens_per_weight():
    rows = follow(ONE_FACTOR_GRID, grid_problem(), 27)
    tokens_per_weight = 2 ** (rows[:, 1] - rows[:, 0])
    np.testing.assert_allclose(tokens_per_weight, 20, rtol=1e-6)
    sizes = rows[:, 0].reshape(3, 9)
    assert (np.ptp(sizes, axis=1) < 0.1).all()
    assert (np.diff(sizes.mean(axis=1)) > 0.5).all()


def test_one_factor_grid_moves_one_factor_while_the_other_stays_near_its_middle():
    problem = grid_problem()
    rows = follow(ONE_FACTOR_GRID, problem, 9)
    aspect, ratio = rows[:, 2], rows[:, 3]
    middle = np.median(problem.features[:2880, 2]), np.median(problem.features[:2880, 3])
    # Four levels of width over depth, then four of MLP over attention.
    assert np.ptp(aspect[1:5]) > 2.0
    assert np.abs(ratio[1:5] - middle[1]).max() < 1.0
    assert np.ptp(ratio[5:9]) > 1.5
    assert np.abs(aspect[5:9] - middle[0]).max() < 1.3
    assert aspect[1] < aspect[4] and ratio[5] < ratio[8]


def test_one_factor_grid_goes_on_where_done_runs_stopped():
    fresh = follow(ONE_FACTOR_GRID, grid_problem(), 12)[9:, 0]
    later = follow(ONE_FACTOR_GRID, grid_problem(n_done=9), 3)[:, 0]
    np.testing.assert_allclose(later, fresh, atol=0.1)


def test_one_factor_grid_without_a_target_takes_the_pools_middle_tokens_per_weight():
    rows = follow(ONE_FACTOR_GRID, grid_problem(with_target=False), 9)
    np.testing.assert_allclose(2 ** (rows[:, 1] - rows[:, 0]), 20, rtol=1e-6)


def test_isoflop_grid_has_rising_budgets_each_shared_by_several_sizes_and_shapes():
    rows = follow(ISOFLOP_GRID, grid_problem(), 27)
    flops = (rows[:, 0] + rows[:, 1]).reshape(3, 9)
    assert (np.diff(flops.mean(axis=1)) > 1.0).all()
    assert (flops.std(axis=1) < 0.6).all()
    for budget in rows.reshape(3, 3, 3, 6):
        sizes = budget[:, :, 0]
        assert np.ptp(sizes.mean(axis=1)) > 0.5
        # Narrow, middling and wide at each size.
        assert (np.diff(budget[:, :, 2], axis=1) > 0).all()


def test_both_grids_are_repeatable_and_take_each_candidate_once():
    for way in (ONE_FACTOR_GRID, ISOFLOP_GRID):
        first, again = (follow(way, grid_problem(), 40) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert len(np.unique(first, axis=0)) == 40


def test_a_design_point_names_what_is_closest():
    problem = grid_problem()
    point = DesignPoint({n: float(v) for n, v in zip(NAMES, problem.features[123], strict=True)})
    closeness = point.closeness(problem)
    assert np.argmax(closeness) == 123 and closeness[123] == pytest.approx(0, abs=1e-12)


def test_a_problem_without_a_feature_says_which_is_missing():
    with pytest.raises(InvalidInputError, match="aspect_ratioo"):
        feature(grid_problem(), "aspect_ratioo")
