"""What every acquisition keeps to, and what each is by its formula."""

from dataclasses import replace

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition import ACQUISITIONS, Problem, find_acquisition
from bayeslaw.search.pool import FEATURES

NOISE = 0.3


def linear_world(n_draws=60_000, n_candidates=6, n_target=3):
    """Log losses linear in four standard-normal coefficients; returns the problem and the rows."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((n_candidates + 4 + n_target, 4))
    theta = rng.standard_normal((n_draws, 4))
    theta = np.linalg.solve(
        np.linalg.cholesky(np.cov(theta.T, bias=True)), (theta - theta.mean(0)).T
    )
    draws = theta.T @ rows.T
    utilities = np.stack([-draws, -np.broadcast_to(rows[:, 0], draws.shape)], axis=-1)
    return Problem(
        n_candidates=n_candidates, n_done=3, n_pending=1, n_target=n_target,
        features=rng.random((len(rows), len(FEATURES))), feature_names=FEATURES, seed=0,
        hours=rng.uniform(1, 9, n_candidates), log_losses=draws, noise_sd=np.full(len(rows), NOISE),
        utilities=utilities, margins=np.ones((n_draws, len(rows), 1)),
        reference_point=np.full(2, -3.0), ideal_point=np.full(2, 3.0),
        target_utilities=utilities[:, -n_target:], target_margins=np.ones((n_draws, n_target, 1)),
        done_log_losses=draws[0, n_candidates : n_candidates + 3],
    ), rows  # fmt: skip


def information(rows, observed):
    """Precision of the coefficients after noisy observations of some rows."""
    seen = rows[observed]
    return np.eye(4) + seen.T @ seen / NOISE**2


PENDING = 9


@pytest.mark.parametrize("name", sorted(set(ACQUISITIONS) - {"hvkg"}))
def test_it_scores_every_candidate_the_same_way_twice_and_leaves_the_problem_alone(name):
    problem, _ = linear_world(n_draws=64)
    if name == "random":
        assert len(set(find_acquisition(name).score(problem, []))) == 6
    before = problem.log_losses.copy()
    first, second = (find_acquisition(name).score(problem, [2]) for _ in range(2))
    assert first.shape == (6,)
    assert np.isfinite(np.delete(first, 2)).all()
    assert first.tolist() == second.tolist()
    assert (problem.log_losses == before).all()


@pytest.mark.parametrize("name", ["target_lookahead", "information_gain", "v_optimal", "mspe"])
def test_without_a_target_it_says_so(name):
    problem, _ = linear_world(n_draws=64)
    with pytest.raises(InvalidInputError, match="target"):
        find_acquisition(name).score(replace(problem, n_target=0), [])


@pytest.mark.parametrize("name", ["target_lookahead", "d_optimal", "v_optimal", "qlognehvi"])
def test_without_draws_it_says_so(name):
    problem, _ = linear_world(n_draws=64)
    bare = replace(
        problem, log_losses=None, utilities=None, target_utilities=None, target_margins=None
    )
    with pytest.raises(InvalidInputError, match="space_filling"):
        find_acquisition(name).score(bare, [])


def test_d_optimal_is_the_growth_of_the_log_determinant():
    problem, rows = linear_world()
    found = np.exp(find_acquisition("d_optimal").score(problem, [2]))
    logdet = [
        np.linalg.slogdet(information(rows, [PENDING, 2, *more]))[1]
        for more in ([], *([j] for j in range(6)))
    ]
    assert found == pytest.approx((np.array(logdet[1:]) - logdet[0]) / 2, rel=0.03)


def test_v_optimal_mspe_and_the_error_goal_are_the_fall_of_variance_at_the_target():
    problem, rows = linear_world()
    left = [
        np.einsum("ti,ij,tj->", rows[-3:], np.linalg.inv(information(rows, seen)), rows[-3:])
        for seen in ([PENDING], *([PENDING, j] for j in range(6)))
    ]
    fall = left[0] - np.array(left[1:])
    for name in ("v_optimal", "mspe"):
        assert np.exp(find_acquisition(name).score(problem, [])) == pytest.approx(fall, rel=0.03)
    goal = replace(problem, goal="error")
    assert np.exp(find_acquisition("target_lookahead").score(goal, [])) == pytest.approx(
        fall, rel=0.03
    )


def test_information_gain_is_the_fall_of_entropy():
    problem, rows = linear_world()
    goal = replace(problem, goal="error")
    found = np.exp(find_acquisition("information_gain").score(goal, []))

    def entropy(seen):
        covariance = rows[-3:] @ np.linalg.inv(information(rows, seen)) @ rows[-3:].T
        return 0.5 * np.linalg.slogdet(covariance)[1]

    expected = [entropy([PENDING]) - entropy([PENDING, j]) for j in range(6)]
    assert found == pytest.approx(expected, rel=0.03)


def test_cheapest_takes_the_cheapest_and_needs_costs():
    problem, _ = linear_world(n_draws=64)
    assert np.argmax(find_acquisition("cheapest").score(problem, [])) == problem.hours.argmin()
    with pytest.raises(InvalidInputError, match="cost model"):
        find_acquisition("cheapest").score(replace(problem, hours=None), [])


def test_sobol_fills_better_than_chance():
    rng = np.random.default_rng(0)
    features = rng.random((500, 2))
    problem = Problem(500, 0, 0, features, ("a", "b"), seed=1)
    rows = []
    for _ in range(16):
        score = find_acquisition("sobol").score(problem, rows)
        rows.append(int(np.argmax(np.where(np.isin(np.arange(500), rows), -np.inf, score))))
    cells = {(int(4 * x), int(4 * y)) for x, y in features[rows]}
    assert len(cells) >= 14  # of 16; by chance about 10
