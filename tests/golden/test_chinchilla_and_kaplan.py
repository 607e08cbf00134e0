"""Published fits of dense laws, as our cards give them, return the figures that were published.

The tables at hand are parts of the authors' own, so figures over their rows are near the printed
ones, not equal: each test says by how much and why. Where a paper prints no figure for a fit, the
fit has to describe the paper's own public losses.
"""

import numpy as np
import pytest
from golden_world import CHINCHILLA_FLOPS, FITS, best_split, public_table
from scipy.optimize import brentq

# Hoffmann et al. and the replication -------------------------------------------------------------


def test_chinchilla_s_own_size_has_its_published_loss():
    loss = FITS["hoffmann_2022"].losses({"n_params": 70e9, "n_tokens": 1.4e12})
    assert loss == pytest.approx(1.937, abs=5e-4)


@pytest.mark.parametrize("name", ["hoffmann_2022", "hoffmann_2022_unrounded", "epoch_2024"])
def test_the_frontier_has_its_closed_form(name):
    fit = FITS[name]
    a, b = fit.theta["alpha"], fit.theta["beta"]
    g = (a * fit.theta["A"] / (b * fit.theta["B"])) ** (1 / (a + b))
    for flops in (1e20, CHINCHILLA_FLOPS):
        n, d = best_split(fit, flops)
        assert n == pytest.approx(g * (flops / 6) ** (b / (a + b)), rel=1e-3)
        assert d == pytest.approx((flops / 6) ** (a / (a + b)) / g, rel=1e-3)
    slope = np.log(best_split(fit, 1e24)[0] / best_split(fit, 1e20)[0]) / np.log(1e4)
    assert slope == pytest.approx(b / (a + b), abs=1e-4)


def test_the_replication_explains_chinchilla_s_size_and_the_paper_s_own_fit_does_not():
    # Chinchilla has 20 tokens a weight at its budget. Epoch's complaint: the printed fit says 60-90.
    ratio = {
        name: np.divide(*best_split(FITS[name], CHINCHILLA_FLOPS)[::-1])
        for name in ("epoch_2024", "hoffmann_2022", "hoffmann_2022_unrounded")
    }
    assert ratio["epoch_2024"] == pytest.approx(18.2, abs=0.2)
    assert ratio["hoffmann_2022_unrounded"] == pytest.approx(59, abs=1)
    assert ratio["hoffmann_2022"] == pytest.approx(93, abs=2)
    n, d = best_split(FITS["epoch_2024"], CHINCHILLA_FLOPS)
    assert n == pytest.approx(70e9, rel=0.06) and d == pytest.approx(1.4e12, rel=0.06)


def test_rounded_exponents_bias_the_data_term_as_the_replication_says():
    terms = [
        FITS[name].theta["B"] / 5e11 ** FITS[name].theta["beta"]
        for name in ("hoffmann_2022", "hoffmann_2022_unrounded")
    ]
    assert terms[0] / terms[1] - 1 == pytest.approx(0.13, abs=0.02)


def test_the_replication_fits_hoffmann_s_points_better_than_hoffmann():
    rows = public_table("chinchilla_epoch/points.csv")
    columns = {"n_params": rows.N.to_numpy(), "n_tokens": rows.D_tokens.to_numpy()}
    huber = {}
    for name in ("epoch_2024", "hoffmann_2022_unrounded"):
        misfit = np.abs(np.log(FITS[name].losses(columns) / rows.loss.to_numpy()))
        huber[name] = np.where(misfit < 1e-3, misfit**2 / 2, 1e-3 * (misfit - 5e-4)).sum()
    # Printed: .00101827 over 240 points. Here are 196 of 245, all but the largest fifth of N, and
    # of the five outliers that the authors drop some are among them.
    assert huber["epoch_2024"] == pytest.approx(0.00101827 * 196 / 240, rel=0.05)
    assert huber["epoch_2024"] < 0.75 * huber["hoffmann_2022_unrounded"]


# Kaplan ------------------------------------------------------------------------------------------


def test_kaplan_s_limits_are_the_laws_of_size_and_of_data_alone():
    law, theta = FITS["kaplan_2020"].law, FITS["kaplan_2020"].theta
    n = np.array([1e6, 1e8, 1.5e9])
    by_size = law(theta, {"n_params_body": n, "n_tokens": np.full(3, 1e30)})
    np.testing.assert_allclose(by_size, (6.4e13 / n) ** 0.076, rtol=1e-6)
    # The one-variable fits have other constants: 8.8e13 and .076, 5.4e13 and .095.
    np.testing.assert_allclose(by_size, (8.8e13 / n) ** 0.076, rtol=0.03)
    d = np.array([1e8, 1e9, 2.3e10])
    by_data = law(theta, {"n_params_body": np.full(3, 1e30), "n_tokens": d})
    np.testing.assert_allclose(by_data, (1.8e13 / d) ** 0.103, rtol=1e-6)
    np.testing.assert_allclose(by_data, (5.4e13 / d) ** 0.095, rtol=0.06)


def test_kaplan_s_data_need_grows_as_n_to_the_074():
    # With one excess over the limit of size for all N, D grows as N**(alpha_N / alpha_D).
    fit = FITS["kaplan_2020"]

    def needed(n):
        limit = float(fit.losses({"n_params_body": n, "n_tokens": 1e30}))

        def excess(log_d):
            d = np.exp(log_d)
            return float(fit.losses({"n_params_body": n, "n_tokens": d})) / limit - 1.02

        return np.exp(brentq(excess, 5, 60))

    slope = np.log(needed(1e9) / needed(1e7)) / np.log(100)
    assert slope == pytest.approx(0.076 / 0.103, abs=1e-3) == pytest.approx(0.74, abs=0.003)
