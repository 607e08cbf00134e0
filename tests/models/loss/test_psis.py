import warnings

import numpy as np
import pytest
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.psis import fit_generalised_pareto, smooth_weights


@pytest.mark.parametrize(("n_draws", "tail"), [(4000, 0.3), (4000, 0.9), (500, 0.6), (60, 0.2)])
@pytest.mark.parametrize("efficiency", [1.0, 0.4])
def test_weights_and_k_hat_are_those_of_arviz(n_draws, tail, efficiency):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arviz = pytest.importorskip("arviz")
    if not hasattr(arviz, "psislw"):
        pytest.skip("ArviZ 1.x moved psislw into arviz_stats, with another signature")
    raw = stats.genpareto(tail).rvs(n_draws, random_state=n_draws)
    ours = smooth_weights(np.log(raw), efficiency=efficiency)
    theirs, k_hat = arviz.psislw(np.log(raw), reff=efficiency)
    assert ours.k_hat == pytest.approx(float(k_hat), abs=1e-8)
    np.testing.assert_allclose(ours.log_weights, np.asarray(theirs), atol=1e-8)


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.5, 0.9])
def test_the_tail_s_shape_and_scale_are_those_that_made_it(shape):
    excess = np.sort(stats.genpareto(shape, scale=2.0).rvs(20_000, random_state=3))
    k_hat, scale = fit_generalised_pareto(excess)
    assert k_hat == pytest.approx(shape, abs=0.03)
    assert scale == pytest.approx(2.0, rel=0.05)


def test_moments_of_a_target_come_out_of_a_wider_proposal():
    rng = np.random.default_rng(0)
    x = 2.0 * rng.standard_t(5, 20_000)
    log_ratios = stats.norm.logpdf(x, 0.5, 1.0) - stats.t.logpdf(x, 5, scale=2.0)
    found = smooth_weights(log_ratios)
    assert found.k_hat < 0.5
    assert found.n_effective > 5000
    mean = found.weights @ x
    assert mean == pytest.approx(0.5, abs=5 / np.sqrt(found.n_effective))
    sd = np.sqrt(found.weights @ (x - mean) ** 2)
    assert sd == pytest.approx(1.0, abs=5 / np.sqrt(found.n_effective))


def test_a_proposal_far_too_narrow_is_found_out():
    x = 0.3 * np.random.default_rng(1).standard_normal(4000)
    found = smooth_weights(stats.norm.logpdf(x) - stats.norm.logpdf(x, scale=0.3))
    assert found.k_hat > 0.7


def test_a_proposal_that_missed_the_target_altogether_does_not_overflow():
    # Exponentials times 200, so weights of a Pareto tail of shape 200.
    found = smooth_weights(200.0 * np.random.default_rng(3).standard_exponential(4000))
    assert found.k_hat > 50.0
    assert np.isfinite(found.weights).all() and found.weights.sum() == pytest.approx(1.0)
    assert found.n_effective < 100


def test_equal_weights_stay_equal_and_impossible_draws_get_none():
    found = smooth_weights(np.full(100, -7.0))
    assert found.k_hat == 0.0 and found.n_effective == 100
    log_ratios = np.zeros(100)
    log_ratios[:40] = -np.inf
    weights = smooth_weights(log_ratios).weights
    assert (weights[:40] == 0).all()
    np.testing.assert_allclose(weights[40:], 1 / 60)


def test_a_constant_added_to_log_ratios_changes_nothing():
    log_ratios = np.random.default_rng(2).gamma(2.0, size=2000)
    here, there = smooth_weights(log_ratios), smooth_weights(log_ratios - 5000.0)
    np.testing.assert_allclose(here.log_weights, there.log_weights, atol=1e-9)
    assert there.k_hat == pytest.approx(here.k_hat)


def test_too_few_draws_to_see_a_tail_have_an_infinite_k_hat():
    assert smooth_weights(np.arange(8.0)).k_hat == np.inf


@pytest.mark.parametrize(
    ("log_ratios", "efficiency", "message"),
    [
        (np.array([0.0, np.nan]), 1.0, "draw 1"),
        (np.array([0.0, np.inf]), 1.0, "draw 1"),
        (np.full(5, -np.inf), 1.0, "every draw has weight 0"),
        (np.zeros((2, 2)), 1.0, r"shape \(2, 2\)"),
        (np.zeros(5), 0.0, "efficiency"),
    ],
)
def test_what_cannot_be_weighed_is_refused(log_ratios, efficiency, message):
    with pytest.raises(InvalidInputError, match=message):
        smooth_weights(log_ratios, efficiency=efficiency)
