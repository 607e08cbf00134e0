from dataclasses import replace

import numpy as np
import pytest
from loss_examples import chinchilla_truth, synthetic_table

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Posterior, fit_law
from bayeslaw.models.loss.noise import log_likelihood
from bayeslaw.models.loss.scales import ScalePrior
from bayeslaw.models.loss.update import reweigh, update_posterior
from bayeslaw.runs import RunTable

LAW = LAWS["chinchilla"]


def plus(table: RunTable, n_params: float, n_tokens: float, error: float = 0.0) -> RunTable:
    """Return the table and one more run, its log loss off the truth by ``error``."""
    new = {
        "n_params": n_params,
        "n_params_body": 0.8 * n_params,
        "n_tokens": n_tokens,
        "loss_nats": chinchilla_truth(n_params, n_tokens) * np.exp(error),
        "aspect_ratio": 32.0,
        "relative_width": 0.1,
        "mlp_attention_ratio": 2.0,
    }
    return RunTable.from_columns(
        {name: np.append(table[name], value) for name, value in new.items()}
    )


@pytest.fixture(scope="module")
def before(table):
    return fit_law(LAW, table, method="laplace", n_draws=4000, seed=0, scale_prior=ScalePrior())


def test_a_reweighed_conjugate_posterior_is_the_exact_one():
    draws = np.random.default_rng(0).standard_normal(20_000)
    found = reweigh(-((1.0 - draws) ** 2) / (2 * 0.5), draws)
    kept = draws[found.chosen]  # prior N(0, 1), datum 1 of variance 1/2
    assert found.n_effective > 5000
    assert kept.mean() == pytest.approx(2 / 3, abs=5 * np.sqrt(1 / 3 / found.n_effective))
    assert kept.std() == pytest.approx(np.sqrt(1 / 3), rel=5 / np.sqrt(found.n_effective))


def test_copies_of_a_draw_count_once():
    draws = np.random.default_rng(1).standard_normal(2000)
    once = reweigh(-(draws**2), draws)
    thrice = np.repeat(draws, 3)
    again = reweigh(-(thrice**2), thrice)
    assert again.n_effective == pytest.approx(once.n_effective)
    assert again.k_hat == pytest.approx(once.k_hat)


def test_an_update_weighs_each_curve_by_the_new_run_s_likelihood(table, before):
    larger = plus(table, 2.5e6, 6e7, error=-0.004)
    found = update_posterior(before, larger)
    assert not found.needs_refit, found.reason
    new = larger.select(np.array([len(table)]))
    misfit = np.log(new["loss_nats"]) - np.log(before.losses(new))
    density = log_likelihood(misfit, np.zeros(1, int), before.noise_scale(new), before.run_share)
    weights = np.exp(density[:, 0] - density.max())
    weights /= weights.sum()
    there = {"n_params": np.array([4e6]), "n_tokens": np.array([8e7])}
    expected = weights @ np.log(before.losses(there)[:, 0])
    curve = np.log(found.posterior.losses(there)[:, 0])
    assert curve.mean() == pytest.approx(expected, abs=0.1 * curve.std())


def test_a_costlier_run_narrows_predictions_near_it_and_stays_in_the_record(table, before):
    larger = plus(table, 4e6, 1e8)
    found = update_posterior(before, larger)
    assert not found.needs_refit, found.reason
    here = {"n_params": np.array([4.2e6]), "n_tokens": np.array([1e8])}
    old, new = (np.log(p.losses(here)[:, 0]) for p in (before, found.posterior))
    assert new.std() < old.std()
    updated = found.posterior
    assert updated.method == "laplace+importance update"
    assert updated.n_runs == len(larger) == len(updated.fitted["loss_nats"])
    assert updated.fingerprint == larger.fingerprint
    assert updated.fitted["log_likelihood"].shape == (len(before), len(larger))
    assert updated.notes[-1].code == "importance_update"
    assert updated.max_cost_flops == before.max_cost_flops  # the anchor of every draw's path


def test_an_update_agrees_with_a_refit(table, before):
    larger = plus(table, 1.2e6, 2e7, error=0.003)
    found = update_posterior(before, larger)
    refit = fit_law(LAW, larger, method="laplace", n_draws=4000, seed=0, scale_prior=ScalePrior())
    there = {"n_params": np.array([3e5, 1e6, 4e6]), "n_tokens": np.array([5e6, 2e7, 1e8])}
    ours, theirs = (np.log(p.losses(there)) for p in (found.posterior, refit))
    spread = theirs.std(axis=0)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 0.35 * spread).all()
    np.testing.assert_allclose(ours.std(axis=0) / spread, 1.0, atol=0.3)


def test_updates_of_updates_know_that_their_draws_are_used_up(table, before):
    larger, posterior, effective = table, before, []
    for n_tokens in (2e7, 3e7, 4e7):
        larger = plus(larger, 1.5e6, n_tokens)
        found = update_posterior(posterior, larger)
        assert not found.needs_refit, found.reason
        posterior = found.posterior
        effective.append(found.n_effective)
    assert posterior.method == "laplace+importance update"
    assert effective[0] > effective[1] > effective[2]


def test_one_outlier_is_taken_for_an_outlier_but_runs_that_agree_ask_for_a_refit(table, before):
    alone = update_posterior(before, plus(table, 1e6, 2e7, error=0.3))
    assert not alone.needs_refit  # the noise is Student t: one run so far off says little
    larger = table
    for n_params in (2e5, 4e5, 6e5, 8e5, 1e6, 1.2e6, 1.5e6, 1.8e6):
        larger = plus(larger, n_params, 20 * n_params, error=0.1)
    found = update_posterior(before, larger)
    assert found.needs_refit and found.posterior is None
    assert found.k_hat > 0.7 or found.n_effective < 200
    assert "fit the law again" in found.reason


def test_a_run_far_below_the_others_asks_for_a_refit(table, before):
    found = update_posterior(before, plus(table, 1e4, 1e5))
    assert found.needs_refit and "cheapest" in found.reason


def test_an_updated_posterior_is_saved_and_read_back(table, before, tmp_path):
    updated = update_posterior(before, plus(table, 1.2e6, 2e7)).posterior
    again = Posterior.load(updated.save(tmp_path / "posterior.nc"))
    assert again.method == updated.method
    np.testing.assert_array_equal(again.sigma, updated.sigma)


def test_only_the_fitted_runs_and_more_will_do(table, before):
    with pytest.raises(InvalidInputError, match="then the new ones"):
        update_posterior(before, table)
    reordered = plus(table, 1e6, 2e7).select(np.arange(len(table) + 1)[::-1])
    with pytest.raises(InvalidInputError, match="in their order"):
        update_posterior(before, reordered)
    with pytest.raises(InvalidInputError, match="nothing to reweigh"):
        update_posterior(replace(before, method="map"), plus(table, 1e6, 2e7))


def test_one_more_run_is_taken_in_within_half_a_second():
    from time import perf_counter

    table = synthetic_table(n_runs=200, seed=3)
    posterior = fit_law(
        LAW, table, method="laplace", n_draws=4000, seed=0, scale_prior=ScalePrior()
    )
    larger = plus(table, 1.2e6, 2e7)
    seconds = []
    for _ in range(3):
        start = perf_counter()
        update_posterior(posterior, larger)
        seconds.append(perf_counter() - start)
    assert min(seconds) < 0.5
