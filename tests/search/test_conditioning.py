import numpy as np
import pytest

from bayeslaw.search.acquisition import Problem
from bayeslaw.search.conditioning import condition


def normal_world(n_draws=40_000, n_pending=1, seed=0):
    """Rows are sums of three unknowns: four candidates, pending ones, two at the target."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((3, 6 + n_pending))
    draws = rng.standard_normal((n_draws, 3)) @ mixing
    problem = Problem(
        n_candidates=4, n_done=0, n_pending=n_pending, n_target=2,
        features=np.zeros((6 + n_pending, 1)), feature_names=("n",), seed=0,
        log_losses=draws, noise_sd=np.full(6 + n_pending, 0.5), goal="error",
    )  # fmt: skip
    return problem, mixing


def exact(mixing, observed, noise=0.25):
    """Covariance of all rows after noisy observations of some."""
    prior = mixing.T @ mixing
    seen = prior[np.ix_(observed, observed)] + noise * np.eye(len(observed))
    return prior - prior[:, observed] @ np.linalg.solve(seen, prior[observed])


def test_run_after_run_taken_out_leaves_what_the_normal_posterior_leaves():
    problem, mixing = normal_world()
    aims = problem.log_losses[:, problem.target]
    state = condition(problem, aims, [1, 3])
    left = exact(mixing, [4, 1, 3])
    assert state.covariance[0] == pytest.approx(left[5:, :4], abs=0.05)
    assert state.variance[0] == pytest.approx(np.diag(left), abs=0.05)
    assert state.aim_variance[0] == pytest.approx(np.diag(left)[5:], abs=0.05)


def test_order_does_not_matter_and_one_step_more_is_the_same_as_all_at_once():
    problem, _ = normal_world(n_draws=300)
    aims = problem.log_losses[:, problem.target]
    step_by_step = [condition(problem, aims, [0, 2, 1][:n]) for n in range(4)][-1]
    again, _ = normal_world(n_draws=300)
    at_once = condition(again, again.log_losses[:, again.target], [1, 0, 2])
    assert step_by_step.covariance == pytest.approx(at_once.covariance, abs=1e-12)
    assert step_by_step.variance == pytest.approx(at_once.variance, abs=1e-12)


def test_laws_are_kept_apart():
    problem, _ = normal_world(n_draws=200)
    from dataclasses import replace

    shifted = problem.log_losses + np.repeat([0.0, 100.0], 100)[:, None]
    two = replace(problem, log_losses=shifted, law=np.repeat([0, 1], 100))
    state = condition(two, shifted[:, two.target])
    assert state.shares.tolist() == [0.5, 0.5]
    # The laws' disagreement of 100 is no variance within either.
    assert state.variance.max() < 50
    assert state.means[1] - state.means[0] == pytest.approx(100, abs=2)
