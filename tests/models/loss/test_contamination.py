import jax
import numpy as np
import pytest
from loss_examples import TRUTH, chinchilla_truth, synthetic_table
from scipy import integrate, stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Posterior, ScalePrior, fit_law
from bayeslaw.models.loss.contamination import (
    below_badly_tuned,
    excess_of_new_runs,
    log_density_badly_tuned,
    mixed,
)
from bayeslaw.models.loss.coordinates import Unpacked
from bayeslaw.models.loss.density import _log_noise
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.noise import STUDENT_T_DOF
from bayeslaw.runs import RunTable

LAW = LAWS["chinchilla"]
SCALES = ScalePrior()


def sweep(seed, share=0.3, n_runs=48):
    """Runs of a known law, a share of them off by an exponential excess of mean .1."""
    clean = synthetic_table(seed=seed, n_runs=n_runs)
    rng = np.random.default_rng([seed, 9])
    excess = (rng.random(n_runs) < share) * rng.exponential(0.1, n_runs)
    columns = {name: clean[name] for name in ("n_params", "n_tokens")}
    return RunTable.from_columns({**columns, "loss_nats": clean["loss_nats"] * np.exp(excess)})


def five_times(table):
    size = np.sqrt(5 * table.train_flops.max() / 6 / 20)
    return {"n_params": np.array([size]), "n_tokens": np.array([20 * size])}


@pytest.mark.parametrize(("scale", "excess"), [(0.01, 0.1), (0.05, 0.05), (0.1, 0.02)])
def test_the_density_is_that_of_scipy(scale, excess):
    at = np.linspace(-0.2, 0.6, 41)
    theirs = stats.exponnorm(excess / scale, scale=scale)
    ours = log_density_badly_tuned(at, np.array(scale), np.array(excess))
    np.testing.assert_allclose(ours, theirs.logpdf(at), rtol=1e-8, atol=1e-8)
    below = below_badly_tuned(at, np.array(scale), np.array(excess))
    np.testing.assert_allclose(below, theirs.cdf(at), atol=1e-10)


def test_a_mixture_is_a_density():
    at = np.linspace(-4, 8, 120_001)[None]
    scale, share, excess = np.full((1, 1), 0.02), np.array([0.3]), np.array([0.1])
    tuned = stats.t.logpdf(at, STUDENT_T_DOF, scale=0.02)
    total = integrate.trapezoid(np.exp(mixed(tuned, at, scale, share, excess))[0], at[0])
    assert total == pytest.approx(1, abs=1e-5)


def test_what_the_fit_climbs_is_that_mixture_and_its_slope():
    misfit = np.array([-0.04, -0.005, 0.0, 0.01, 0.06, 0.4, 7.0])
    mask = np.array([1.0, 1, 1, 1, 1, 1, 0])
    evidence = {"mask": mask, "off_centre": np.abs(misfit), "badly_tuned": np.float64(1)}
    share, excess = np.array([0.2]), np.array([0.08])
    at = Unpacked(np.zeros(5), 0.01, 0.3, 0.0, 0.0, 0.0, share[0], excess[0])
    with float64():
        value, pull = _log_noise(misfit, at, evidence)
        slope = jax.grad(lambda curve: _log_noise(misfit - curve, at, evidence)[0])(np.zeros(7))
    scale = 0.01 * np.exp(0.3 * np.abs(misfit))
    tuned = stats.t.logpdf(misfit, STUDENT_T_DOF, scale=scale)
    exact = mixed(tuned[None], misfit[None], scale[None], share, excess)[0]
    constant = stats.t.logpdf(0, STUDENT_T_DOF)
    assert float(value) == pytest.approx((mask * (exact - constant)).sum(), rel=1e-12)
    np.testing.assert_allclose(pull, slope, rtol=1e-9)


def test_new_runs_of_nobodys_tuning_are_off_as_often_as_the_share_says():
    rng = np.random.default_rng(0)
    added = excess_of_new_runs((2000, 20), np.full(2000, 0.3), np.full(2000, 0.1), rng)
    assert (added > 0).mean() == pytest.approx(0.3, abs=0.01)
    assert added.mean() == pytest.approx(0.03, rel=0.05)


def test_a_sweep_shows_the_law_of_its_tuned_runs():
    inside, widths = {True: [], False: []}, {True: [], False: []}
    errors, floors, held = [], [], []
    for seed in range(200, 204):
        table = sweep(seed)
        at = five_times(table)
        truth = chinchilla_truth(at["n_params"], at["n_tokens"])[0]
        tuned = chinchilla_truth(table["n_params"], table["n_tokens"])
        for badly_tuned in (True, False):
            posterior = fit_law(
                LAW, table, method="laplace", scale_prior=SCALES, badly_tuned=badly_tuned
            )
            curve = posterior.predict(at, new_run=False)
            fitted = np.median(posterior.losses(table), axis=0)
            inside[badly_tuned].append(np.log(fitted / tuned).mean())
            widths[badly_tuned].append(np.log(curve.p95[0] / curve.p05[0]))
            if badly_tuned:
                errors.append(np.log(curve.p50[0] / truth))
                held.append(curve.p05[0] < truth < curve.p95[0])
                floors.append(np.quantile(posterior.draws["E"], [0.005, 0.995]))
    # A Student-t takes the runs that are off for a part of the law; its interval widens in vain.
    assert np.mean(inside[False]) > 0.008 and np.abs(inside[True]).max() < 0.003
    assert np.mean(widths[True]) < 0.6 * np.mean(widths[False])
    assert abs(np.mean(errors)) < 0.015 and sum(held) >= 3
    assert all(low < TRUTH["E"] < high for low, high in floors)


def test_tuned_runs_are_predicted_as_before():
    table = sweep(300, share=0.0)
    at = five_times(table)
    plain, asked = (
        fit_law(LAW, table, method="laplace", scale_prior=SCALES, badly_tuned=badly_tuned)
        for badly_tuned in (False, True)
    )
    theirs, ours = (np.log(posterior.losses(at)) for posterior in (plain, asked))
    assert abs(ours.mean() - theirs.mean()) < 0.5 * theirs.std()


def test_what_was_learnt_of_bad_tuning_is_kept_and_used(tmp_path):
    table = sweep(200)
    at = five_times(table)
    posterior = fit_law(LAW, table, method="laplace", scale_prior=SCALES, badly_tuned=True)
    again = Posterior.load(posterior.save(tmp_path / "posterior.nc"))
    np.testing.assert_array_equal(again.badly_tuned_excess, posterior.badly_tuned_excess)
    assert 0.1 < np.median(again.badly_tuned_share) < 0.5  # made with .3
    assert 0.05 < np.median(again.badly_tuned_excess) < 0.2  # made with .1
    tuned, any_run = again.predict(at), again.predict(at, tuned=False)
    assert any_run.p95[0] > tuned.p95[0] + 0.02
    thinned = posterior.thin(100)
    assert np.shape(thinned.badly_tuned_share) == (100,)
    with pytest.raises(InvalidInputError, match="new_run=True"):
        again.predict(at, new_run=False, tuned=False)


def test_points_of_one_trunk_are_refused(table):
    columns = {name: table[name] for name in ("n_params", "n_tokens", "loss_nats")}
    jobs = RunTable.from_columns(columns, trunks=[str(i // 2) for i in range(len(table))])
    with pytest.raises(InvalidInputError, match="keep one point of each trunk"):
        fit_law(LAW, jobs, method="laplace", scale_prior=SCALES, badly_tuned=True)


def test_a_fit_that_was_not_asked_says_so():
    posterior = fit_law(LAW, sweep(300, share=0.0), method="laplace", scale_prior=SCALES)
    with pytest.raises(InvalidInputError, match="fit with badly_tuned=True"):
        posterior.predict({"n_params": 1e6, "n_tokens": 2e7}, tuned=False)
