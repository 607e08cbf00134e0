import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import FLOPS_ONLY, Demand, Prices, cheapest_for_loss, lifetime_cost
from bayeslaw.models.loss.laws import LAWS

# arXiv:2401.00448 by laws.md: fitted to runs of up to 100 and of up to 10,000 tokens a weight.
SHORT = {"E": 0.17, "A": 7.199, "alpha": 0.08, "B": 25.97, "beta": 0.13}
LONG = {"E": 1.45, "A": 33.66, "alpha": 0.18, "B": 138.9, "beta": 0.24}
HOFFMANN = {"E": 1.69, "A": 406.4, "alpha": 0.34, "B": 410.7, "beta": 0.28}


def loss(theta, n, d):
    return LAWS["chinchilla"](theta, {"n_params": n, "n_tokens": d})


@given(
    theta=st.sampled_from([SHORT, LONG, HOFFMANN]), log_n=st.floats(18, 26),
    per_weight=st.floats(5, 500), log_served=st.floats(0, 35),
)  # fmt: skip
@settings(deadline=None, max_examples=50)
def test_the_optimum_meets_the_loss_and_no_other_size_is_cheaper(
    theta, log_n, per_weight, log_served
):
    n = np.exp(log_n)
    target, demand = loss(theta, n, per_weight * n), Demand(0, np.exp(log_served))
    best = cheapest_for_loss(theta, target, demand)
    assert loss(theta, best.n_params, best.n_tokens) == pytest.approx(target, rel=1e-9)
    assert best.cost == pytest.approx(lifetime_cost(best.n_params, best.n_tokens, demand))

    def cost(log_size):
        left = target - theta["E"] - theta["A"] / np.exp(log_size) ** theta["alpha"]
        if left <= 0:
            return np.inf
        return np.log(
            lifetime_cost(np.exp(log_size), (theta["B"] / left) ** (1 / theta["beta"]), demand)
        )

    at = float(np.log(best.n_params[0]))
    found = minimize_scalar(cost, bracket=(at - 0.3, at, at + 0.3), tol=1e-10)
    assert cost(at) <= found.fun + 1e-9


def test_with_nothing_served_it_is_chinchilla_s_frontier():
    # N = G (C/6)^(b/(a+b)), D = (C/6)^(a/(a+b)) / G, G = (aA/bB)^(1/(a+b)): arXiv:2203.15556.
    best = cheapest_for_loss(HOFFMANN, 2.0, Demand(0, 0))
    a, b = HOFFMANN["alpha"], HOFFMANN["beta"]
    g = (a * HOFFMANN["A"] / (b * HOFFMANN["B"])) ** (1 / (a + b))
    budget = best.train_cost / 6
    assert best.n_params == pytest.approx(g * budget ** (b / (a + b)), rel=1e-9)
    assert best.n_tokens == pytest.approx(budget ** (a / (a + b)) / g, rel=1e-9)


def test_the_more_is_served_the_smaller_and_longer_trained_the_network():
    best = [cheapest_for_loss(LONG, 2.4, Demand(0, served)) for served in (0, 1e12, 1e13, 1e14)]
    sizes, tokens = ([float(getattr(b, k)[0]) for b in best] for k in ("n_params", "n_tokens"))
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4
    assert tokens == sorted(tokens)


def test_slow_generation_weighs_more_than_its_flops():
    slow = Prices.hourly(2.0, 989e12, 2.0, 989e12, 0.4, 0.5, 0.01)
    demand = Demand(input_tokens=1e12, output_tokens=1e12)
    in_flops = cheapest_for_loss(LONG, 2.4, demand, FLOPS_ONLY)
    in_dollars = cheapest_for_loss(LONG, 2.4, demand, slow)
    assert in_dollars.n_params < in_flops.n_params
    # 6 N D C / MFU + 2 N C (D_in / MFU_in + D_out / MFU_out) by hand, for 1e9 weights, 2e10 tokens.
    per_flop = 2.0 / 3600 / 989e12
    by_hand = 6e9 * 2e10 * per_flop / 0.4 + 2e9 * per_flop * (1e12 / 0.5 + 1e12 / 0.01)
    assert lifetime_cost(1e9, 2e10, demand, slow) == pytest.approx(by_hand)


def test_draws_go_through_together():
    theta = {name: np.full(3, value) for name, value in LONG.items()}
    theta["E"] = np.array([1.40, 1.45, 1.50])
    best = cheapest_for_loss(theta, 2.4, Demand(0, 1e12))
    assert best.n_params.shape == (3,)
    assert np.all(np.diff(best.cost) > 0)  # a higher floor makes the same loss dearer
    alone = cheapest_for_loss(LONG, 2.4, Demand(0, 1e12))
    assert best.cost[1] == pytest.approx(alone.cost[0])


def test_what_cannot_be_answered_is_refused():
    with pytest.raises(InvalidInputError, match="at or under the floor E of 100%"):
        cheapest_for_loss(LONG, 1.4, Demand(0, 0))
    with pytest.raises(InvalidInputError, match=r"\['B', 'beta'\] missing"):
        cheapest_for_loss({k: LONG[k] for k in ("E", "A", "alpha")}, 2.4, Demand(0, 0))
    with pytest.raises(InvalidInputError, match="output_tokens"):
        Demand(0, -1)
    with pytest.raises(InvalidInputError, match="share of the peak"):
        Prices(1.0, 1.0, mfu_train=40)
    with pytest.raises(InvalidInputError, match="price serve"):
        Prices(1.0, 0.0)
