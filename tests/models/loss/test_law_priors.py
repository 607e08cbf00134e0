from dataclasses import replace

import numpy as np
import pytest
from law_world import EVERY_LAW, coordinates

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.laws import Coefficient, LossLaw


@pytest.mark.parametrize(
    "law",
    [
        pytest.param(law, id=name)
        for name, law in LAWS.items()
        if {"E", "A", "B"} <= set(law.coefficient_names) and {"N", "D"} <= set(law.falls_with)
    ],
)
def test_small_networks_are_believed_further_from_their_floor_than_large_ones(law):
    floors = []
    for log_n, log_d in ((np.log(6e4), np.log(6e5)), (np.log(1e9), np.log(2e10))):
        reference = {letter: 0.0 for letter in law.letters} | {"N": log_n, "D": log_d, "loss": 0.0}
        floors.append(law.from_unconstrained(np.zeros(len(law.coefficients)), reference, np)["E"])
    # Bytes of text and code: .3-.6 nats of 1.9 are left at best; Hoffmann's 1e9: 1.69 of 2.58.
    assert floors[0] < 0.45 and floors[0] < 0.75 * floors[1]


def test_belief_in_an_interval_becomes_a_prior_that_holds_90_percent_of_it(table):
    law = LAWS["chinchilla"].believing({"alpha": (0.2, 0.5)})
    reference = law.log_reference(table, table["loss_nats"])
    z = np.random.default_rng(0).standard_normal((40_000, 5))
    alpha = law.from_unconstrained(z, reference, np)["alpha"]
    np.testing.assert_allclose(np.quantile(alpha, [0.05, 0.95]), [0.2, 0.5], rtol=0.01)
    drift = LAWS["conditional_varying"].believing({"a_drift": (-0.1, 0.7)}).coefficients[-3]
    assert drift.prior_median == pytest.approx(0.3) and "-0.1 to 0.7" in drift.reason
    assert law.same_formula_as(LAWS["chinchilla"]) and law != LAWS["chinchilla"]
    assert law.name == "chinchilla" and law.formula is LAWS["chinchilla"].formula


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ({"A": (1.0, 2.0)}, r"\['A'\].*only of.*\['alpha', 'beta'\]"),
        ({"gamma": (1.0, 2.0)}, r"\['gamma'\]"),
        ({"alpha": (0.5, 0.2)}, "from a positive number to a larger one"),
        ({"alpha": (0.0, 0.2)}, "from a positive number to a larger one"),
        ({"alpha": (0.1, np.inf)}, "from a positive number to a larger one"),
    ],
)
def test_beliefs_that_make_no_prior_are_refused(intervals, message):
    with pytest.raises(InvalidInputError, match=message):
        LAWS["chinchilla"].believing(intervals)


@EVERY_LAW
def test_an_informed_law_s_origin_is_the_mean_that_it_was_told(law, table):
    reference = law.log_reference(table, table["loss_nats"])
    rng = np.random.default_rng(3)
    means, sds = (
        rng.standard_normal(len(law.coefficients)),
        rng.uniform(0.2, 2, len(law.coefficients)),
    )
    z = coordinates(law, 20)
    informed = law.informed(means, sds)
    theta = informed.from_unconstrained(z, reference, np)
    expected = law.from_unconstrained(means + sds * z, reference, np)
    for name, values in theta.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert informed.same_formula_as(law)


def test_numbers_that_inform_no_prior_are_refused():
    law = LAWS["chinchilla"]
    with pytest.raises(InvalidInputError, match=r"each of \['E', 'A', 'alpha', 'B', 'beta'\]"):
        law.informed([0.0], [1.0])
    with pytest.raises(InvalidInputError, match="sds positive"):
        law.informed(np.zeros(5), np.zeros(5))


def test_coefficients_without_a_coordinate_are_refused(table):
    law = LAWS["chinchilla"]
    reference = law.log_reference(table, table["loss_nats"])
    theta = {"E": 1.0, "A": 10.0, "alpha": 0.3, "B": 10.0, "beta": 0.3}
    with pytest.raises(
        InvalidInputError, match=r"'A' has no coordinate at 0\.0: it must be positive"
    ):
        law.to_unconstrained({**theta, "A": 0.0}, reference)
    with pytest.raises(InvalidInputError, match="'B' must be finite"):
        law.to_unconstrained({**theta, "B": np.nan}, reference)
    with pytest.raises(InvalidInputError, match="got none for"):
        law.to_unconstrained({"E": 1.0}, reference)
    vocabulary = LAWS["vocabulary"]
    reference = vocabulary.log_reference(table, table["loss_nats"])
    theta = vocabulary.from_unconstrained(np.zeros(7), reference, np)
    with pytest.raises(InvalidInputError, match=r"less than 5\.\d+, the table's u"):
        vocabulary.to_unconstrained({**theta, "E": 9.0}, reference)


BASE = Coefficient("E", "a constant", "floor", 1.0, 0.1)
SHARE = Coefficient("A", "of size", "share", 0.2, 1.0, (("N", "alpha", 1.0),))
ALPHA = Coefficient("alpha", "how fast", "pure", 0.3, 0.4)


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ((ALPHA,), "needs one coefficient of kind floor"),
        ((BASE, replace(BASE, name="F")), "needs one coefficient of kind floor"),
        ((replace(SHARE, kind="loss"), replace(SHARE, name="B"), ALPHA), "shares of a floor"),
        ((BASE, SHARE), r"term of 'A' is in N\*\*alpha"),
        ((BASE, BASE.__class__("E", "again", "pure", 1.0, 1.0)), "more than once"),
        ((BASE, replace(ALPHA, name="c", raised_to="alpha")), "raised to 'alpha'"),
        ((replace(BASE, below="u"),), "below 'u'"),
    ],
)
def test_a_law_that_cannot_work_is_refused(coefficients, message):
    with pytest.raises(InvalidInputError, match=message):
        LossLaw("mine", ("n_params", "n_tokens"), ("N", "D"), coefficients, lambda t, c: 1.0, "me")


def test_a_prior_that_cannot_be_is_refused():
    with pytest.raises(InvalidInputError, match="positive prior_sd"):
        replace(ALPHA, prior_sd=0.0)
    with pytest.raises(InvalidInputError, match="positive prior_median"):
        replace(ALPHA, prior_median=-1.0)
    assert replace(ALPHA, kind="real", prior_median=-1.0).is_itself
    with pytest.raises(InvalidInputError, match="is real, so its prior is on itself"):
        replace(SHARE, kind="real")
    with pytest.raises(InvalidInputError, match="only a floor lies below a letter"):
        replace(ALPHA, below="u")
