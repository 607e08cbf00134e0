from dataclasses import replace

import numpy as np
import pytest
from loss_examples import chinchilla_truth, synthetic_table
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.models.loss.checks import (
    check_calibration,
    coverage_by_distance,
    diagnose_posterior,
    leave_one_out,
    rolling_origins,
    uniform_band,
)
from bayeslaw.models.loss.checks.calibration import FAILURE_RATE
from bayeslaw.models.loss.linearised import affordable_runs
from bayeslaw.models.loss.pointwise import pointwise
from bayeslaw.models.loss.posterior_groups import with_run_names
from bayeslaw.models.loss.replicates import before_any_run, has_jobs, replicates
from bayeslaw.runs import RunTable

LAW = LAWS["chinchilla"]


def verdicts(posterior, **more):
    return {v.question: v for v in diagnose_posterior(posterior, **more).verdicts}


def with_losses(table, losses, **more):
    columns = {name: table[name] for name in ("n_params", "n_tokens")} | {"loss_nats": losses}
    return RunTable.from_columns(columns, **more)


def with_jobs(seed=0, n_jobs=10, shared=0.02, own=0.004):
    """Three points a job, with an error that they share."""
    rng = np.random.default_rng(seed)
    n = np.repeat(np.round(np.exp(rng.uniform(np.log(1e5), np.log(2e6), n_jobs))), 3)
    d = np.round(n * np.tile([5.0, 15.0, 45.0], n_jobs))
    noise = np.repeat(shared * rng.standard_normal(n_jobs), 3) + own * rng.standard_normal(len(n))
    return RunTable.from_columns(
        {"n_params": n, "n_tokens": d, "loss_nats": chinchilla_truth(n, d) * np.exp(noise)},
        trunks=[f"job{i // 3}" for i in range(len(n))],
    )


@pytest.fixture(scope="module")
def jobs():
    return fit_law(LAW, with_jobs(), method="laplace", n_draws=1000)


def test_a_good_design_gets_good_verdicts(nuts):
    found = verdicts(nuts)
    assert found["mixed"].code in ("mixed", "not_mixed")
    assert (found["mixed"].code == "mixed") == (
        not {"chains_disagree", "few_effective_draws", "divergences"}
        & {note.code for note in nuts.notes}
    )
    assert found["calibrated"].code == "calibrated"
    assert len(found["robust"].figures.get("runs", [])) <= 3
    assert found["holds_beyond"].is_good is None
    assert all(v.to_dict()["message"] for v in found.values())


def test_a_run_that_did_not_finish_is_named(table):
    losses = table["loss_nats"].copy()
    costliest = int(np.argmax(table.train_flops))
    losses[costliest] *= 1.5
    posterior = fit_law(LAW, with_losses(table, losses), method="laplace", n_draws=2000)
    named = with_run_names(posterior, [f"r{i}" for i in range(len(table))])
    diagnosis = diagnose_posterior(named)
    worst = int(np.argmax(diagnosis.leave_one_out.pareto_k))
    lowest = int(np.argmin(diagnosis.leave_one_out.elpd))
    assert costliest in (worst, lowest)
    robust = next(v for v in diagnosis.verdicts if v.question == "robust")
    if not robust.is_good:
        assert all(name in robust.message for name in robust.figures["runs"][:5])


def test_runs_at_constant_tokens_a_weight_are_not_told_apart_and_a_run_is_proposed():
    n = np.round(np.geomspace(1e5, 2e6, 14))
    noise = 1 + 0.002 * np.sin(np.arange(14))
    runs = RunTable.from_columns(
        {"n_params": n, "n_tokens": 20 * n, "loss_nats": chinchilla_truth(n, 20 * n) * noise}
    )
    posterior = fit_law(LAW, runs, method="laplace", n_draws=2000)
    found = verdicts(posterior)
    assert found["identified"].code == "constant_tokens_per_param"
    told = found["identified"].message
    assert "n_params=" in told and "n_tokens=" in told


def test_the_run_that_is_proposed_narrows_what_it_says(table):
    cheap = table.select(np.arange(9))
    before = fit_law(LAW, cheap, method="laplace", n_draws=2000)
    pool = affordable_runs(LAW, cheap)
    cost = 6 * pool["n_params"] * pool["n_tokens"]
    assert (cost <= cheap.train_flops.max() * (1 + 1e-6)).all() and len(cost) > 5
    diagnosis = diagnose_posterior(before)
    assert set(diagnosis.confounding.width_left) == set(LAW.coefficient_names)
    assert all(0 < width < 1.6 for width in diagnosis.confounding.width_left.values())


def test_each_run_is_predicted_as_a_refit_without_it_would(table):
    small = table.select(np.arange(14))
    whole = fit_law(LAW, small, method="laplace", n_draws=4000)
    loo = leave_one_out(whole)
    left = int(np.argmin(np.abs(loo.pareto_k - 0.2)))
    rest = fit_law(LAW, small.select(np.arange(14) != left), method="laplace", n_draws=4000)
    columns = {name: small[name][[left]] for name in LAW.inputs}
    loss = np.log(small["loss_nats"][left])
    middle = np.log(rest.losses(columns))[:, 0]
    below = stats.t.cdf((loss - middle) / rest.noise_scale(columns)[:, 0], 6).mean()
    # Importance sampling and two fits' Monte Carlo error; the form's path is drawn anew.
    assert loo.pit[left] == pytest.approx(below, abs=0.1)


def test_points_of_a_job_lean_towards_each_other(jobs):
    assert has_jobs(jobs) and np.median(jobs.run_share) > 0.5
    log_loss = np.log(jobs.fitted["loss_nats"])
    given_others = pointwise(jobs)
    alone = pointwise(replace(jobs, run_share=np.zeros(len(jobs))))
    miss = [np.abs(log_loss - p.location.mean(axis=0)).mean() for p in (given_others, alone)]
    assert miss[0] < 0.6 * miss[1]
    assert (given_others.scale < alone.scale.mean()).mean() > 0.9
    assert given_others.dof.tolist() == [8.0] * 30 and alone.location.shape == (1000, 30)


def test_the_density_of_a_job_is_the_multivariate_t_s(jobs):
    """p(y1 | y2, y3) p(y2, y3) = p(y1, y2, y3), by scipy's own joint density."""
    draw = 7
    share = jobs.run_share[draw]
    log_loss = np.log(jobs.fitted["loss_nats"])
    trunk = jobs.fitted["trunk"]
    rows = np.flatnonzero(trunk == trunk[0])
    middle = np.log(jobs.losses(jobs.fitted))[draw, rows]
    scale = jobs.noise_scale(jobs.fitted)[draw, rows]
    shape = np.outer(scale, scale) * ((1 - share) * np.eye(3) + share)
    joint = stats.multivariate_t(middle, shape, df=6).logpdf(log_loss[rows])
    others = stats.multivariate_t(middle[1:], shape[1:, 1:], df=6).logpdf(log_loss[rows[1:]])
    density = pointwise(jobs).log_density(log_loss)[draw, rows[0]]
    assert density == pytest.approx(joint - others, abs=1e-9)


def test_made_up_tables_share_an_error_within_a_job(jobs):
    made = np.log(replicates(jobs)) - np.log(jobs.losses(jobs.fitted))
    trunk = jobs.fitted["trunk"]
    first, second = (np.flatnonzero(trunk == trunk[0])[i] for i in (0, 1))
    apart = int(np.flatnonzero(trunk != trunk[0])[0])
    scores = stats.rankdata(made / jobs.noise_scale(jobs.fitted), axis=0)
    within = np.corrcoef(scores[:, first], scores[:, second])[0, 1]
    between = np.corrcoef(scores[:, first], scores[:, apart])[0, 1]
    assert within > 0.4 and abs(between) < 5 / np.sqrt(len(jobs))
    np.testing.assert_array_equal(replicates(jobs), replicates(jobs))


def test_prior_draws_are_standard_normal_in_the_law_s_coordinates(laplace):
    before = before_any_run(laplace, 4000)
    law = laplace.law
    reference = law.log_reference(laplace.fitted, laplace.fitted["loss_nats"])
    z = law.to_unconstrained(before.draws, reference)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(z.std(axis=0), 1, atol=5 / np.sqrt(8000))
    log_tau = np.log(before.tau / laplace.scale_prior.tau_median) / laplace.scale_prior.tau_log_sd
    assert abs(log_tau.mean()) < 5 / np.sqrt(4000) and before.losses(laplace.fitted).min() > 0


def test_the_calibration_test_fails_right_fits_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    for n_runs in (12, 40, 200):
        wrong = sum(bool(check_calibration(rng.uniform(size=n_runs)).fault) for _ in range(600))
        assert stats.binomtest(wrong, 600, FAILURE_RATE, alternative="greater").pvalue > 1e-4


@pytest.mark.parametrize(
    ("scores", "fault"),
    [(lambda z: z + 1.0, "biased"), (lambda z: 2.2 * z, "too_narrow"), (lambda z: 0.3 * z, "too_wide")],
)  # fmt: skip
def test_the_calibration_test_says_what_is_wrong(scores, fault):
    z = np.random.default_rng(1).standard_normal(40)
    assert check_calibration(stats.norm.cdf(scores(z))).fault == fault


def test_a_uniform_stays_in_its_band_as_often_as_promised():
    rng = np.random.default_rng(2)
    at = np.linspace(0, 1, 201)
    lower, upper = uniform_band(50, at)
    left = 0
    for _ in range(600):
        share = np.searchsorted(np.sort(rng.uniform(size=50)), at, side="right") / 50
        left += bool(((share < lower) | (share > upper)).any())
    assert stats.binomtest(left, 600, FAILURE_RATE / 3, alternative="greater").pvalue > 1e-4


def test_dearer_runs_are_predicted_from_cheaper_ones_alone(table):
    heard = []
    rolling = rolling_origins(
        LAW, table, n_origins=2, progress=lambda done, total: heard.append((done, total))
    )
    assert heard[-1] == (rolling.n_origins, rolling.n_origins) and rolling.n_origins == 2
    assert (rolling.log_cost_ratio > 0).all() and (np.exp(rolling.log_cost_ratio) <= 20.001).all()
    for i in np.unique(rolling.origin):
        rows = rolling.run[rolling.origin == i]
        ratio = np.exp(rolling.log_cost_ratio[rolling.origin == i])
        line = table.train_flops[rows] / ratio
        np.testing.assert_allclose(line, line[0], rtol=1e-9)
        assert not (set(rows) & set(np.flatnonzero(table.train_flops <= line[0] * (1 + 1e-12))))
    # The form is right here, so intervals that allow for its error hold nearly all.
    assert rolling.coverage90 > 0.8
    bins = coverage_by_distance(rolling)
    assert sum(b.n for b in bins) == len(rolling.run)
    assert all(b.lower <= b.share <= b.upper for b in bins)


def test_runs_of_one_cost_cannot_be_predicted_from_cheaper_ones():
    n = np.round(np.geomspace(1e5, 2e6, 8))
    runs = RunTable.from_columns(
        {"n_params": n, "n_tokens": np.round(1e13 / n), "loss_nats": np.linspace(2, 3, 8)}
    )
    same = runs.select(np.abs(runs.train_flops / runs.train_flops[0] - 1) < 1e-12)
    with pytest.raises(InvalidInputError, match="train runs at more costs"):
        rolling_origins(LAW, same)


def test_a_mode_alone_cannot_tell(table):
    posterior = fit_law(LAW, table, method="map")
    loo = leave_one_out(posterior)
    assert loo.pit.shape == (len(table),) and np.isfinite(loo.elpd).all()
    found = verdicts(posterior)
    assert found["mixed"].code == "no_chains"
    assert found["robust"].code == "point_estimate"


def test_a_wrong_form_is_seen_when_the_noise_is_known(table):
    """Losses with a bump that no Chinchilla has, too large for the noise that draws believe."""
    bump = 1 + 0.03 * np.sin(2 * np.log(table["n_params"]))
    posterior = fit_law(LAW, with_losses(table, table["loss_nats"] * bump), method="laplace")
    sure = replace(posterior, sigma=posterior.sigma * 0.005 / np.median(posterior.sigma))
    assert verdicts(sure)["calibrated"].code == "too_narrow"


def test_too_few_runs_to_tell_are_called_so():
    posterior = fit_law(LAW, synthetic_table(n_runs=8), method="laplace", n_draws=500)
    assert verdicts(posterior)["calibrated"].code == "too_few_runs"
