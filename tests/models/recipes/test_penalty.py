import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.models.recipes import RecipePenalty, fit_recipe_penalty, recipe_penalty
from bayeslaw.models.recipes.penalty import COEFFICIENTS, VALID_PENALTY
from bayeslaw.models.recipes.penalty_fit import best_losses

CHECKOUT = Path(__file__).parents[3]
DATA = Path(os.environ.get("BAYESLAW_DATA", CHECKOUT.parent / "shared" / "data"))
STEP_LAW = DATA / "steplaw" / "dense_runs.csv"
SIZE, TOKENS = 3e8, 2e10


def step_law(n=SIZE, d=TOKENS):
    return 1.79 * n**-0.713 * d**0.307, 0.58 * d**0.571


def best(n=SIZE, d=TOKENS):
    rate, batch = step_law(n, d)
    values = recipe_penalty().values
    return rate * values["rate_ratio"], batch * values["batch_ratio"]


@given(
    rate=st.floats(0.05, 20), batch=st.floats(0.05, 20),
    n=st.floats(1e7, 1e11), per_weight=st.floats(1, 1000),
)  # fmt: skip
@settings(deadline=None)  # the first call reads the cards
def test_the_penalty_is_zero_at_the_optimum_and_positive_off_it(rate, batch, n, per_weight):
    penalty, d = recipe_penalty(), n * per_weight
    best_rate, best_batch = best(n, d)
    assert penalty.log_loss(best_rate, best_batch, n, d) == pytest.approx(0, abs=1e-12)
    off = penalty.log_loss(rate * best_rate, batch * best_batch, n, d)
    assert off >= -1e-12
    if max(abs(np.log(rate)), abs(np.log(batch))) > 0.1:
        assert off > 0


def test_step_law_s_own_recipe_costs_what_its_paper_says():
    # arXiv:2503.04715 by laws.md: within .094 % of the optimum.
    cost = recipe_penalty().log_loss(*step_law(), SIZE, TOKENS)
    assert 0.0003 < cost < 0.002


def test_a_longer_run_forgives_more():
    short, long = (
        recipe_penalty().log_loss(3 * best(d=d)[0], best(d=d)[1], SIZE, d) for d in (6e9, 1.2e11)
    )
    assert long < short


def test_draws_are_centred_on_the_penalty_and_spread_by_its_errors():
    penalty = recipe_penalty()
    rate, batch = best()
    drawn = penalty.draws([3 * rate, rate], [batch, batch], SIZE, TOKENS, n_draws=4000, seed=0)
    assert drawn.shape == (4000, 2)
    centre = penalty.log_loss(3 * rate, batch, SIZE, TOKENS)
    assert np.median(drawn[:, 0]) == pytest.approx(centre, rel=0.05)
    assert 0.05 < drawn[:, 0].std() / centre < 0.3
    assert drawn[:, 1].max() < 0.1 * centre  # the optimum's own place is nearly known


def test_what_lies_outside_is_said():
    penalty, (rate, batch) = recipe_penalty(), best()
    inside = penalty.outside([rate, 20 * rate], batch, SIZE, TOKENS)
    assert inside.tolist() == [False, True]
    assert penalty.outside(rate, batch, 1e9, 5e10)  # too large
    assert penalty.outside(rate, batch, SIZE, 1e9)  # too few tokens a weight


def synthetic_sweeps(noise=0.0005):
    rng = np.random.default_rng(0)
    columns = {name: [] for name in ("rate", "batch", "n", "d", "loss", "sweep")}
    for i, (n, d) in enumerate([(2e8, 4e9), (2e8, 4e10), (4e8, 1e10), (4e8, 1e11)]):
        rate, batch = best(n, d)
        rate, batch = (
            (rate * np.exp(np.linspace(-2, 2, 9)))[:, None],
            (batch * np.exp(np.linspace(-2, 2, 9)))[None],
        )
        added = recipe_penalty().log_loss(rate, batch, n, d)
        loss = (2.5 - 0.1 * i) * np.exp(added + noise * rng.standard_normal(added.shape))
        for name, values in zip(columns, (rate, batch, n, d, loss, f"s{i}"), strict=True):
            columns[name] += np.broadcast_to(values, loss.shape).ravel().tolist()
    return columns.values()


def test_a_known_penalty_is_found_again_with_honest_errors():
    found = fit_recipe_penalty(*synthetic_sweeps(), n_resamples=10)
    for name in COEFFICIENTS:
        truth = recipe_penalty().values[name]
        assert found.values[name] == pytest.approx(truth, abs=0.02 + 0.03 * abs(truth)), name
        assert 0 < found.stderr[name] < 0.1


def test_bad_sweeps_are_refused():
    rate, batch, n, d, loss, sweep = (np.array(values) for values in synthetic_sweeps())
    with pytest.raises(NotEnoughRunsError, match="a penalty needs 20"):
        fit_recipe_penalty(*(v[:15] for v in (rate, batch, n, d, loss, sweep)))
    with pytest.raises(InvalidInputError, match="at least 3, or n_resamples=0"):
        one = sweep == "s0"
        fit_recipe_penalty(*(v[one] for v in (rate, batch, n, d, loss, sweep)), n_resamples=5)
    with pytest.raises(InvalidInputError, match=r"learning_rate: 0\.0 must be"):
        fit_recipe_penalty(0 * rate, batch, n, d, loss, sweep)
    with pytest.raises(InvalidInputError, match="no standard errors"):
        penalty = RecipePenalty(recipe_penalty().values, {}, "mine")
        penalty.draws(1e-3, 2e5, SIZE, TOKENS, n_draws=3, seed=0)
    with pytest.raises(InvalidInputError, match="has coefficients"):
        RecipePenalty({"rate_curvature": 1.0}, {}, "mine")


@pytest.fixture(scope="module")
def sweeps():
    if not STEP_LAW.exists():
        pytest.skip(f"the public table {STEP_LAW} is not here; set BAYESLAW_DATA")
    rows = pd.read_csv(STEP_LAW)
    rows["batch"] = rows.batch_size_seqs * rows.seq_len.astype(float)
    rows["sweep"] = rows.N_nonembed.astype(str) + "/" + rows.D_tokens.astype(str)
    return rows


def columns(rows):
    names = ("lr", "batch", "N_nonembed", "D_tokens", "loss_smooth", "sweep")
    return [rows[name].to_numpy() for name in names]


@pytest.mark.parametrize("left_out", [214663680, 268304384, 429260800])
def test_a_shape_that_was_held_out_is_predicted_to_a_third_of_its_spread(sweeps, left_out):
    """.0050, .0044 and .0038 in log loss, where no penalty leaves .0124, .0132 and .0124."""
    fitted = fit_recipe_penalty(*columns(sweeps[sweeps.N_nonembed != left_out]))
    rows = sweeps[sweeps.N_nonembed == left_out]
    rate, batch, n, d, loss, sweep = columns(rows)
    log_loss = np.log(loss)
    _, cells = np.unique(sweep, return_inverse=True)
    lowest = np.array([log_loss[cells == i].min() for i in range(cells.max() + 1)])
    near = log_loss <= lowest[cells] + VALID_PENALTY
    log_loss, cells = log_loss[near], cells[near]
    added = fitted.log_loss(rate, batch, n, d)[near]

    def rms(left):
        return np.sqrt(np.mean((left - best_losses(left, cells)[cells]) ** 2))

    assert rms(log_loss - added) < 0.0055
    assert rms(log_loss - added) < 0.45 * rms(log_loss)


def test_the_card_is_what_the_public_sweeps_give(sweeps):
    fitted = fit_recipe_penalty(*columns(sweeps))
    for name, value in recipe_penalty().values.items():
        assert fitted.values[name] == pytest.approx(value, rel=2e-3), name
