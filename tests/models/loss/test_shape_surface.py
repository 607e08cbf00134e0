import numpy as np
import pytest

from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.runs import RunTable

BASE = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 400.0, "beta": 0.3}
FLAT = dict.fromkeys(
    (
        "s_x",
        "s_R",
        "s_r",
        "q_x",
        "q_R",
        "q_r",
        "k_x",
        "k_R",
        "k_r",
        "c_xR",
        "c_xr",
        "c_Rr",
        "n_x",
        "n_R",
        "n_r",
    ),
    0.0,
)
ORDINARY = {"relative_width": 0.08, "aspect_ratio": 64.0, "mlp_attention_ratio": 2.0}
SCALE = {"n_params_body": 1e9, "n_tokens": 2e10}


def surface(**changes):
    return {**BASE, **FLAT, **changes}


def shapes(**changes):
    return {
        name: np.asarray(values, dtype=float)
        for name, values in {**SCALE, **ORDINARY, **changes}.items()
    }


def test_an_ordinary_network_has_chinchillas_loss_whatever_the_surface():
    law = LAWS["shape_surface"]
    bent = surface(s_x=0.03, q_x=0.02, c_Rr=0.01, n_r=0.004)
    base = LAWS["chinchilla"](BASE, {"n_params": 1e9, "n_tokens": 2e10})
    assert law(bent, shapes()) == pytest.approx(base)


def test_the_valley_lies_where_slope_and_bend_say_and_moves_with_size():
    law = LAWS["shape_surface"]
    theta = surface(s_R=0.01, q_R=0.02, n_R=0.01)
    aspect = np.geomspace(4, 1000, 4001)
    for size, expected in ((1e9, -0.25), (1e10, -(0.01 + 0.01 * np.log(10)) / 0.04)):
        losses = law(theta, shapes(aspect_ratio=aspect, n_params_body=size))
        found = np.log(aspect[np.argmin(losses)] / 64)
        assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.slow
def test_it_learns_the_valley_of_a_form_it_is_not():
    """P1's own U-curves at one slope of Chinchilla: the order of shapes at ten times the size."""
    rng = np.random.default_rng(0)
    truth = LAWS["conditional_multiplicative"]
    theta = {**BASE, "x_star": 0.09, "a1": 0.08, "r_star": 1.2, "b1": 0.02}

    def networks(n, sizes):
        size = rng.choice(sizes, n)
        width = np.exp(rng.uniform(np.log(0.05), np.log(0.16), n))
        return {
            "n_params_body": size,
            "n_tokens": 20 * size,
            "relative_width": width,
            "aspect_ratio": np.exp(rng.uniform(np.log(20), np.log(200), n)),
            "mlp_attention_ratio": np.exp(rng.uniform(np.log(0.6), np.log(5), n)),
        }

    seen, asked = networks(40, [5e7, 1e8, 2e8]), networks(100, [2e9])
    noise = np.exp(0.001 * rng.standard_normal(40))
    table = RunTable.from_columns({**seen, "loss_nats": truth(theta, seen) * noise})
    fitted = fit_law(LAWS["shape_surface"], table, method="map")
    blind = fit_law(LAWS["aspect_ratio_u"].counting("n_params_body"), table, method="map")
    true = np.log(truth(theta, asked))
    found = np.log(fitted.losses(asked)).mean(axis=0)
    others = np.log(blind.losses(asked)).mean(axis=0)
    assert np.corrcoef(found, true)[0, 1] > 0.85
    assert np.corrcoef(others, true)[0, 1] < 0.5
