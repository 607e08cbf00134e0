import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.extrapolation import baselines
from benchmarks.extrapolation.baselines import (
    chinchilla_huber,
    forecast,
    p2_curve_fit,
    simple_scaling_laws,
)
from benchmarks.extrapolation.baselines.forecast import bootstrap_counts, noise, usable_draws
from benchmarks.extrapolation.baselines.huber import DELTA, fit_huber, starting_points
from scipy.optimize import minimize

from bayeslaw.errors import NotEnoughRunsError, UnavailableError, UndecidedError

TRUTH = {"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2100.0, "beta": 0.37}
DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))
EPOCH = DATA / "chinchilla_epoch" / "points.csv"

needs_peer = pytest.mark.skipif(
    not simple_scaling_laws.is_installed(),
    reason=f"simple-scaling-laws is not installed; run `{simple_scaling_laws.INSTALL}`",
)


@pytest.fixture
def few_draws(monkeypatch):
    for module in (forecast, p2_curve_fit):
        monkeypatch.setattr(module, "N_DRAWS", 150)
    return 150


def curve(n, n_tokens, *, beta=TRUTH["beta"]):
    t = TRUTH
    return t["E"] + t["A"] / n ** t["alpha"] + t["B"] / n_tokens**beta


def columns(seed=0, n_runs=60, sigma=0.005, beta=TRUTH["beta"], top=0.0):
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(np.log(5e7) + top, np.log(2e9) + top, n_runs))
    d = np.exp(rng.uniform(np.log(1e9) + top, np.log(4e10) + top, n_runs))
    loss = curve(n, d, beta=beta) * np.exp(sigma * rng.standard_normal(n_runs))
    return {"n": n, "n_tokens": d, "loss_nats": loss}


def assert_predicts_the_truth(said, heldout, n_draws=1000, beta=TRUTH["beta"]):
    """Near the truth at costlier runs, and no narrower than noise, no wider than is of use."""
    assert said.draws.shape == (n_draws, len(heldout["n"]))
    assert np.isfinite(said.draws).all()
    log_truth = np.log(curve(heldout["n"], heldout["n_tokens"], beta=beta))
    low, middle, high = np.quantile(said.draws, [0.05, 0.5, 0.95], axis=0)
    assert np.abs(middle - log_truth).max() < 0.012
    assert ((low < log_truth) & (log_truth < high)).mean() > 0.7
    # The noise alone is .0082 wide on either side; without it draws would be narrower.
    assert 0.012 < (high - low).mean() < 0.04


def test_chinchilla_huber_recovers_the_law_it_fits():
    fit, heldout = columns(), columns(seed=1, n_runs=12, top=1.0)
    said = chinchilla_huber.forecast(fit, heldout, seed=0)
    assert_predicts_the_truth(said, heldout)
    assert said.report["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.03)
    assert said.report["beta"] == pytest.approx(TRUTH["beta"], abs=0.03)
    assert said.report["E"] == pytest.approx(TRUTH["E"], abs=0.06)


def test_a_seed_fixes_every_draw(few_draws):
    fit, heldout = columns(n_runs=20), columns(seed=1, n_runs=2)
    first, again, other = (chinchilla_huber.predict(fit, heldout, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(other, first)


def test_one_run_gone_wrong_hardly_moves_a_huber_fit():
    fit = columns()
    clean = chinchilla_huber.point_fits(fit).best().log_losses(fit["n"], fit["n_tokens"])
    spoilt = {**fit, "loss_nats": fit["loss_nats"] * np.where(np.arange(60) == 7, 3.0, 1.0)}
    moved = chinchilla_huber.point_fits(spoilt).best().log_losses(fit["n"], fit["n_tokens"])
    assert np.abs(moved - clean).max() < 0.01


def test_our_solver_ends_where_scipy_s_ends_on_hoffmann_s_objective():
    fit = columns(seed=3, n_runs=40)
    ours = chinchilla_huber.point_fits(fit).best()
    x, y, log_loss = (np.log(fit[name]) for name in ("n", "n_tokens", "loss_nats"))

    def objective(theta):
        a, b, e, alpha, beta = theta
        terms = np.stack([a - alpha * x, b - beta * y, np.full_like(x, e)])
        size = np.abs(np.logaddexp.reduce(terms) - log_loss)
        return 1e3 * np.where(size < DELTA, size**2 / 2, DELTA * (size - DELTA / 2)).sum()

    options = {"ftol": 1e-15, "gtol": 1e-9, "maxfun": 20_000, "maxiter": 5_000}
    starts = [(a, b, e, 0.5, 0.5) for a in (5, 10) for b in (5, 10) for e in (-0.5, 0.5)]
    theirs = min(
        (minimize(objective, start, method="L-BFGS-B", options=options) for start in starts),
        key=lambda end: end.fun,
    )
    assert ours.objective[0] * 1e3 <= theirs.fun * (1 + 1e-6)
    a, b, e, alpha, beta = ours.theta[0]
    raw = (a + alpha * ours.centre[0], b + beta * ours.centre[1], e, alpha, beta)
    assert objective(raw) == pytest.approx(1e3 * ours.objective[0], rel=1e-9)


def test_a_bootstrap_s_race_finds_what_every_start_finds():
    fit = columns(seed=6, n_runs=40, sigma=0.01)
    counts = bootstrap_counts(fit, np.random.default_rng(0))[:8]
    raced = chinchilla_huber.bootstrap(fit, chinchilla_huber.point_fits(fit), counts)
    starts = starting_points(fit["loss_nats"])
    for row, count in enumerate(counts):
        every = fit_huber(
            fit["n"], fit["n_tokens"], fit["loss_nats"], np.tile(count, (len(starts), 1)), starts
        )
        assert raced.objective[row] <= every.objective.min() * (1 + 1e-6)


def test_runs_of_one_trunk_come_and_go_together():
    trunk = np.repeat(np.arange(10.0), 3)
    fit = {"n_tokens": np.ones(30), "trunk": trunk}
    counts = bootstrap_counts(fit, np.random.default_rng(0))
    assert (counts.reshape(-1, 10, 3).std(axis=2) == 0).all()
    assert (counts.sum(axis=1) == 30).all()
    alone = bootstrap_counts({"n_tokens": np.ones(30)}, np.random.default_rng(0))
    assert alone.reshape(-1, 10, 3).std(axis=2).max() > 0


def test_a_fit_that_leaves_no_residual_is_an_error():
    with pytest.raises(NotEnoughRunsError, match="at least 6 runs, got 5"):
        noise(np.zeros(5), 5, 3, np.random.default_rng(0))


def test_draws_that_are_no_loss_are_counted_and_replaced():
    losses = np.full((baselines.N_DRAWS, 3), 2.0)
    losses[0, 1], losses[1, 2], losses[2, 0] = -1.0, np.inf, np.nan
    draws, n_given_up = usable_draws(losses, np.random.default_rng(0))
    assert n_given_up == 3
    np.testing.assert_array_equal(draws, np.full_like(losses, np.log(2.0)))
    with pytest.raises(UndecidedError, match="none of 1000 draws"):
        usable_draws(-losses, np.random.default_rng(0))


def test_p2_recovers_a_tied_law_and_a_shape(few_draws):
    tied = {"beta": TRUTH["alpha"]}
    fit, heldout = columns(**tied), columns(seed=1, n_runs=12, top=1.0, **tied)
    said = p2_curve_fit.forecast(fit, heldout, seed=0)
    assert_predicts_the_truth(said, heldout, few_draws, **tied)
    assert said.report["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.03)
    assert said.report["n_failed"] == 0
    shape = np.exp(np.random.default_rng(2).uniform(np.log(10), np.log(300), 60))
    wide = 1 + 0.002 * shape ** TRUTH["alpha"]
    shaped = {**fit, "loss_nats": fit["loss_nats"] * wide, "aspect_ratio": shape}
    said = p2_curve_fit.forecast(shaped, {**heldout, "aspect_ratio": np.full(12, 40.0)}, seed=0)
    assert said.report["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.05)
    assert "eps" in said.report


def test_p2_counts_all_weights_where_a_table_has_them(few_draws):
    fit, heldout = columns(n_runs=20), columns(seed=1, n_runs=3)
    usual = p2_curve_fit.predict(fit, heldout, seed=0)
    with_body = {**fit, "n": 0.5 * fit["n"], "n_params": fit["n"]}
    held_body = {**heldout, "n": 0.5 * heldout["n"], "n_params": heldout["n"]}
    np.testing.assert_array_equal(p2_curve_fit.predict(with_body, held_body, seed=0), usual)


def test_p2_counts_the_refits_that_fail(few_draws, monkeypatch):
    monkeypatch.setattr(p2_curve_fit, "_MAX_CALLS", 1500)
    fit = columns(n_runs=12, sigma=0.05, beta=TRUTH["alpha"])
    said = p2_curve_fit.forecast(fit, columns(seed=1, n_runs=3), seed=0)
    assert 0 < said.report["n_failed"] < few_draws
    assert np.isfinite(said.draws).all()
    monkeypatch.setattr(p2_curve_fit, "_MAX_CALLS", 20)
    with pytest.raises(UndecidedError, match="does not converge on these 12 runs"):
        p2_curve_fit.forecast(fit, columns(seed=1, n_runs=3), seed=0)


@needs_peer
def test_simple_scaling_laws_recovers_the_law():
    fit, heldout = columns(n_runs=40), columns(seed=1, n_runs=12, top=1.0)
    said = simple_scaling_laws.forecast(fit, heldout, seed=0)
    assert_predicts_the_truth(said, heldout)
    assert said.report["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.05)
    assert said.report["version"] == simple_scaling_laws.VERSION


@needs_peer
def test_what_simple_scaling_laws_refuses_is_an_error_with_its_own_words():
    fit = columns(n_runs=4)
    fit["loss_nats"][0] = -1e9
    fit["n"][1] = -5.0
    with pytest.raises(UndecidedError, match="positive"):
        simple_scaling_laws.forecast(fit, columns(n_runs=2), seed=0)


def test_a_missing_peer_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(simple_scaling_laws, "ENVIRONMENT", tmp_path)
    with pytest.raises(UnavailableError, match="python -m benchmarks"):
        simple_scaling_laws.predict(columns(n_runs=6), columns(n_runs=2), seed=0)


@pytest.mark.skipif(not EPOCH.exists(), reason=f"the public table {EPOCH} is not here")
def test_epoch_s_rows_give_coefficients_near_epoch_s():
    rows = pd.read_csv(EPOCH)
    # Epoch drop the five points with the fewest tokens a weight.
    rows = rows.loc[(rows.D_tokens / rows.N).sort_values().index[5:]]
    fit = {"n": rows.N.to_numpy(), "n_tokens": rows.D_tokens.to_numpy()}
    fit["loss_nats"] = rows.loss.to_numpy()
    fits = chinchilla_huber.point_fits(fit)
    counts = bootstrap_counts(fit, np.random.default_rng(0))[:300]
    refits = chinchilla_huber.bootstrap(fit, fits, counts).coefficients()
    best = fits.best().coefficients()
    # arXiv:2404.10102: 240 points, of which these are 191 (the largest N are not here), and errors.
    epoch = {"E": (1.81686, 0.02566), "alpha": (0.34781, 0.0154), "beta": (0.36585, 0.0206)}
    for name, (value, error) in epoch.items():
        own_error = refits[name].std()
        assert abs(best[name][0] - value) < 2.5 * np.hypot(error, own_error), name
        assert own_error < 3 * error
