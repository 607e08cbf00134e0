import numpy as np
import pytest
from law_world import ARRAYS, example_theta

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.laws import to_paper


@pytest.mark.parametrize("is_additive", [False, True])
def test_the_paper_s_letters_give_the_same_curve(is_additive):
    law = LAWS["conditional_additive" if is_additive else "conditional_multiplicative"]
    theta = {name: values[0, 0] for name, values in example_theta(law).items()}
    paper = to_paper(theta, is_additive=is_additive)
    x, r = ARRAYS["relative_width"], ARRAYS["mlp_attention_ratio"]
    width = paper["a0"] + paper["a1"] * np.log(x) + paper["a2"] / x
    mlp = paper["b0"] + paper["b1"] * np.log(r) + paper["b2"] / r
    base = LAWS["chinchilla"].counting("n_params_body")(theta, ARRAYS)
    expected = width + mlp + base if is_additive else width * mlp * base
    np.testing.assert_allclose(law(theta, ARRAYS), expected, rtol=1e-12)


def test_coefficients_that_do_not_drift_are_p1_s_own():
    law = LAWS["conditional_varying"]
    theta = example_theta(law)
    still = {**theta, **{name: 0.0 for name in ("x_drift", "a_drift", "r_drift", "b_drift")}}
    expected = LAWS["conditional_multiplicative"](theta, ARRAYS)
    np.testing.assert_allclose(law(still, ARRAYS), expected, rtol=1e-13)
    drifting = law({**still, "x_drift": 0.2}, ARRAYS)
    assert (np.abs(drifting / expected - 1).max(axis=1) > 1e-4).all()


def test_over_training_is_chinchilla_tied_in_other_letters():
    theta = {"E": 1.8, "a": 110.0, "b": 160.0, "eta": 0.14}
    tied = {"E": 1.8, "alpha": 0.28, "A": 110 * 6**-0.14, "B": 160 * 6**-0.14}
    np.testing.assert_allclose(
        LAWS["over_training"](theta, ARRAYS), LAWS["chinchilla_tied"](tied, ARRAYS), rtol=1e-12
    )


def test_one_pass_over_enough_data_is_chinchilla():
    theta = {"E": 1.87, "A": 521.0, "alpha": 0.353, "B": 1488.0, "R_D": 15.4, "R_N": 5.3}
    fresh = {"n_params": np.array([1e8]), "n_tokens": np.array([1e10])}
    law, base = LAWS["data_constrained"], LAWS["chinchilla_tied"]
    for unique in (1e10, 7e11):  # tokens that are never read change nothing
        once = {**fresh, "unique_tokens": np.array([unique])}
        np.testing.assert_allclose(law(theta, once), base(theta, fresh), rtol=1e-13)
    again = {**fresh, "unique_tokens": np.array([2.5e9])}
    assert base(theta, fresh) < law(theta, again) < base(theta, {**fresh, "n_tokens": 2.5e9})


def test_farseer_s_form_holds_chinchilla_s():
    theta = {"E": 1.8, "a3": 1e-6, "gamma": 0.34, "a1": 0.0, "alpha": 0.1, "b": 0.3, "a2": 0.0}
    theta |= {"beta": 0.1, "B": 500.0}
    # A floor that size hardly moves is E + E a3 (N / 1e9)**-gamma.
    as_chinchilla = {"E": 1.8, "A": 1.8e-6 * 1e9**0.34, "alpha": 0.34, "B": 500.0, "beta": 0.3}
    np.testing.assert_allclose(
        LAWS["farseer"](theta, ARRAYS), LAWS["chinchilla"](as_chinchilla, ARRAYS), rtol=1e-10
    )
    steeper = LAWS["farseer"]({**theta, "a1": 0.1}, ARRAYS)
    assert (steeper < LAWS["farseer"](theta, ARRAYS)).all()


def test_a_u_is_lowest_at_its_best_shape_and_even_around_it():
    law = LAWS["aspect_ratio_u"]
    theta = {
        "E": 1.8,
        "A": 400.0,
        "alpha": 0.34,
        "B": 400.0,
        "beta": 0.3,
        "R_star": 50.0,
        "eps": 0.01,
    }
    at = {"n_params": 1e9, "n_tokens": 2e10, "aspect_ratio": 50.0 * np.array([0.25, 1.0, 4.0])}
    deep, best, wide = law(theta, at)
    assert best < deep == pytest.approx(wide)
    assert best == pytest.approx(LAWS["chinchilla"](theta, {"n_params": 1e9, "n_tokens": 2e10}))
