import numpy as np
import pytest
from benchmarks.published.huber import huber_fit
from benchmarks.published.tables import DATA, TABLES
from benchmarks.refits import POINTS_A_NETWORK, WHY, _thinned

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.cards import published_fits
from bayeslaw.runs import RunTable

TRUTH = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 1200.0, "beta": 0.36}


def curves() -> RunTable:
    """Eight networks of sixteen points each, one point in twenty wild."""
    rng = np.random.default_rng(4)
    n = np.repeat(np.round(np.geomspace(2e7, 4e9, 8)), 16)
    d = np.tile(np.round(np.geomspace(1e9, 4e11, 16)), 8)
    loss = LAWS["chinchilla"](TRUTH, {"n_params": n, "n_tokens": d})
    noise = np.where(rng.random(len(n)) < 0.05, 0.2, 0.002) * rng.standard_normal(len(n))
    return RunTable.from_columns(
        {"n_params": n, "n_tokens": d, "loss_nats": loss * np.exp(noise)},
        trunks=[f"{size:.0f}" for size in n],
    )


def test_huber_s_loss_finds_the_law_behind_wild_points():
    fit = huber_fit(LAWS["chinchilla"], curves(), [], n_resamples=8, seed=0)
    for name, value in TRUTH.items():
        assert fit.theta[name] == pytest.approx(value, rel=0.25)
        assert fit.resampled[name].shape == (8,)
    assert fit.theta["alpha"] == pytest.approx(TRUTH["alpha"], abs=0.01)
    assert fit.theta["beta"] == pytest.approx(TRUTH["beta"], abs=0.01)


def test_our_posterior_takes_a_few_points_of_every_curve():
    table = curves()
    thin = _thinned(table)
    assert len(thin) == 8 * POINTS_A_NETWORK
    for trunk in set(table.trunks):
        rows = np.array(thin.trunks) == trunk
        assert {1e9, 4e11} <= set(thin["n_tokens"][rows])


def test_every_refit_is_of_a_published_fit_and_says_why_it_differs():
    fits = published_fits()
    assert set(TABLES) == set(WHY) <= set(fits)
    assert not any(fits[name].missing for name in TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_the_public_rows_have_the_columns_that_the_law_takes(name):
    if not DATA.exists():
        pytest.skip(f"the public tables {DATA} are not here; set BAYESLAW_DATA")
    fit, table = published_fits()[name], TABLES[name]()
    error = np.log(fit.losses(table) / table["loss_nats"])
    assert np.sqrt(np.mean(error**2)) < 0.03
