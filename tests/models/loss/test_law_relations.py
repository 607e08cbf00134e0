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


def test_routing_over_no_floor_is_clark_s():
    theta = {"scale": 12.7, "a": -0.082, "b": -0.108, "c": 0.009, "E_start": 1.8, "E_max": 300.0}
    # b + c log10 N is ours with c over log(10), and b at 1e8 weights.
    ours = {
        "E": 0.0, "A": 12.7, "alpha": 0.082, "b": -0.108 + 8 * 0.009, "c": 0.009 / np.log(10),
        "E_start": 1.8, "E_max": 300.0,
    }  # fmt: skip
    expected = LAWS["routed"](theta, ARRAYS)
    np.testing.assert_allclose(LAWS["routed_floor"](ours, ARRAYS), expected, rtol=1e-12)
    floor = LAWS["routed_floor"]({**ours, "E": 0.5}, ARRAYS)
    np.testing.assert_allclose(floor - expected, 0.5, rtol=1e-12)


def test_a_vocabulary_whose_rows_want_no_text_is_tao_s():
    theta = {name: values[0, 0] for name, values in example_theta(LAWS["vocabulary"]).items()}
    law, expected = LAWS["vocabulary_rows"], LAWS["vocabulary"](theta, ARRAYS)
    np.testing.assert_allclose(law({**theta, "kappa": 0.0}, ARRAYS), expected, rtol=1e-12)
    # Twice the weights of vocabulary and 2**kappa times the text: that term stays.
    theta |= {"kappa": 0.3, "A2": 0.0}
    more = {
        "vocab_params": 2 * ARRAYS["vocab_params"],
        "n_characters": 2**0.3 * ARRAYS["n_characters"],
    }
    same = law(theta, {**ARRAYS, **more})
    np.testing.assert_allclose(same, law(theta, ARRAYS), rtol=1e-12)


def test_well_tuned_runs_are_chinchilla_s_and_others_are_worse_on_either_side():
    law, base = LAWS["tuned"], LAWS["chinchilla"].counting("n_params_body")
    theta = {name: values[0, 0] for name, values in example_theta(law).items()}
    n, d = ARRAYS["n_params_body"], ARRAYS["n_tokens"]
    rate = theta["eta_0"] * n ** theta["eta_N"] * d ** theta["eta_D"]
    batch = theta["S_0"] * n ** theta["S_N"] * d ** theta["S_D"]

    def excess(of_rate, of_batch):
        at = {**ARRAYS, "learning_rate": of_rate * rate, "batch_tokens": of_batch * batch}
        return np.log(law(theta, at) / base(theta, ARRAYS))

    np.testing.assert_allclose(excess(1, 1), 0.0, atol=1e-12)
    for factors in ((3, 1), (1 / 3, 1), (1, 3), (1, 1 / 3), (3, 3), (1 / 3, 3)):
        assert (excess(*factors) > 1e-5).all()
    theta |= {"skew": 1.0, "rho": 0.5}
    assert (excess(3, 1) > excess(1 / 3, 1)).all()  # a large rate is the worse mistake
    assert (excess(3, 3) < excess(3, 1 / 3)).all()  # and a larger batch wants one


def test_weights_that_are_all_used_are_a_dense_network_s():
    theta = {"E": 1.5, "A": 60.0, "alpha": 0.2, "lam": 0.1, "c": 0.01}
    n = np.array([1e8, 1e9])
    dense = {"n_params_active": n, "n_params": n, "n_tokens": np.ones(2)}
    np.testing.assert_allclose(LAWS["upcycled"](theta, dense), 1.5 + 60 / n**0.2, rtol=1e-12)
    sparse = LAWS["upcycled"](theta, {**dense, "n_params": 8 * n})
    # At 1e9 active weights the power of sparsity is lam itself.
    np.testing.assert_allclose(sparse[1], 1.5 + 60 / 1e9**0.2 / 8**0.1, rtol=1e-12)
    assert (sparse < LAWS["upcycled"](theta, dense)).all()
