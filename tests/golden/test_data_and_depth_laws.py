"""Published fits of dense laws, as our cards give them, return the figures that were published.

The tables at hand are parts of the authors' own, so figures over their rows are near the printed
ones, not equal: each test says by how much and why. Where a paper prints no figure for a fit, the
fit has to describe the paper's own public losses.
"""

import numpy as np
import pytest
from golden_world import FITS, best_split, public_table
from scipy.optimize import minimize_scalar

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.laws.data_constrained import effective_tokens

# Muennighoff -------------------------------------------------------------------------------------


def test_four_passes_are_nearly_as_good_as_fresh_data_and_forty_are_not():
    theta = FITS["muennighoff_2023"].theta
    passes = np.array([1.0, 4.0, 16.0, 40.0, 1e6])
    worth = effective_tokens(passes, np.ones(5), theta["R_D"])
    assert worth[0] == 1.0 and worth[1] / 4 > 0.93
    assert worth[-1] == pytest.approx(1 + theta["R_D"])  # the most that any repetition gives
    # One more pass after R_D repetitions is worth 1/e of a fresh one.
    more = np.diff(effective_tokens(1 + theta["R_D"] + np.array([0, 1e-6]), 1.0, theta["R_D"]))
    assert more[0] / 1e-6 == pytest.approx(np.exp(-1), rel=1e-4)
    loss = FITS["muennighoff_2023"].losses(
        {"n_params": np.full(5, 1e9), "n_tokens": 2e10 * passes, "unique_tokens": np.full(5, 2e10)}
    )
    fresh = FITS["muennighoff_base"].losses({"n_params": 1e9, "n_tokens": 2e10 * passes})
    assert loss[0] == fresh[0] and loss[1] / fresh[1] - 1 < 0.004 < 0.015 < loss[3] / fresh[3] - 1


def test_the_best_size_for_one_pass_is_the_printed_share_of_the_tokens():
    theta = FITS["muennighoff_base"].theta
    n, d = best_split(FITS["muennighoff_base"], 6e20)
    assert n / d == pytest.approx(0.051, abs=5e-4)
    # Beyond it, weights count less: N' / N_U ends at 1 + R_N.
    law, r_n = LAWS["data_constrained"], FITS["muennighoff_2023"].theta["R_N"]
    full = FITS["muennighoff_2023"].theta
    at = {"n_params": np.array([d * 0.04, 1e30]), "n_tokens": d, "unique_tokens": np.array([d, d])}
    below, endless = law({**full, "B": theta["B"]}, {**at, "n_tokens": np.array([d, d])})
    base = LAWS["chinchilla_tied"]
    assert below == pytest.approx(base(theta, {"n_params": d * 0.04, "n_tokens": d}), rel=1e-12)
    assert endless == pytest.approx(
        base(theta, {"n_params": n * (1 + r_n), "n_tokens": d}), rel=1e-6
    )


# Gadre -------------------------------------------------------------------------------------------


def test_lines_of_one_multiple_of_tokens_are_parallel():
    law = LAWS["over_training"]
    theta = {"E": 1.54, "a": 110.0, "b": 150.0, "eta": 0.12}
    n = np.geomspace(1e7, 1e10, 7)
    slopes = []
    for multiple in (20, 640):
        reducible = law(theta, {"n_params": n, "n_tokens": multiple * n}) - theta["E"]
        slopes.append(np.diff(np.log(reducible)) / np.diff(np.log(6 * multiple * n**2)))
    np.testing.assert_allclose(slopes, -0.12, rtol=1e-9)


@pytest.mark.parametrize(
    ("card", "corpus"),
    [("gadre_c4", "c4_original"), ("gadre_rpj", "rpj"), ("gadre_rw", "rw_original")],
)
def test_our_fits_of_gadre_s_runs_describe_them(card, corpus):
    rows = public_table("gadre/runs.csv")
    rows = rows[(rows.train_dataset == corpus) & rows["loss.c4_val"].notna()]
    columns = {"n_params": rows.N_total.to_numpy(float), "n_tokens": rows.D_tokens.to_numpy(float)}
    misfit = np.log(FITS[card].losses(columns) / rows["loss.c4_val"].to_numpy())
    # .025 over all rows of all three; refitted by us, because no table was published.
    assert len(misfit) > 15 and np.sqrt(np.mean(misfit**2)) < 0.035


# Gemstones ---------------------------------------------------------------------------------------


def gemstones(series, low=0.0, high=np.inf):
    rows = public_table("gemstones/train_loss.csv")
    rows = rows[(rows.series == series) & rows.D_tokens.between(low, high)]
    columns = {
        "n_params": rows.N_total,
        "n_params_body": rows.N_total - 50304 * rows.hidden_size,  # the authors take off one table
        "n_tokens": rows.D_tokens,
        "d_model": rows.hidden_size,
        "n_layers": rows.n_layers,
    }
    return {name: c.to_numpy(float) for name, c in columns.items()}, rows.train_loss.to_numpy()


@pytest.mark.parametrize(
    ("card", "series", "low", "high", "median", "rms"),
    # No misfits are printed. 14 of the 22 shapes are here, none of 2B; the first 2B tokens of a run
    # lie far off every fit, hence the median.
    [
        ("gemstones_hot_100b", "constant_lr", 0, 1e11, 0.006, 0.020),
        ("gemstones_hot_100b_body", "constant_lr", 0, 1e11, 0.007, 0.020),
        ("gemstones_100b_on", "constant_lr", 1e11, np.inf, 0.004, 0.020),
        ("gemstones_120b_on", "constant_lr", 1.2e11, np.inf, 0.004, 0.020),
        ("gemstones_cooldown", "cooldown_end", 0, np.inf, 0.012, 0.020),
        ("gemstones_width_depth", "constant_lr", 1e11, np.inf, 0.004, 0.006),
        ("gemstones_width_depth_params", "constant_lr", 1e11, np.inf, 0.002, 0.004),
    ],
)
def test_gemstones_fits_describe_the_runs_they_were_fitted_to(card, series, low, high, median, rms):
    columns, loss = gemstones(series, low, high)
    misfit = np.log(FITS[card].losses(columns) / loss)
    assert len(loss) > 100
    assert np.median(np.abs(misfit)) < median
    assert np.sqrt(np.mean(misfit**2)) < rms


def test_width_and_depth_say_more_of_gemstones_than_their_number_of_weights():
    columns, loss = gemstones("constant_lr", 1.2e11)
    rms = {
        name: np.sqrt(np.mean(np.log(FITS[name].losses(columns) / loss) ** 2))
        for name in ("gemstones_120b_on", "gemstones_width_depth", "gemstones_width_depth_params")
    }
    four, three, none = sorted(rms.values())
    assert [four, three, none] == [rms[name] for name in reversed(list(rms))]
    assert four < 0.6 * three < 0.3 * none


# Vocabulary --------------------------------------------------------------------------------------

# Unrounded, from the authors' code; printed 5.533, 1.831, .447, .196, .671, 2.124, with sizes in
# millions and text in billions, which a power of the unit turns into counts.
_ALPHA, _ALPHA2 = 0.44660634152009615, 0.6707374679896795
TAO = {
    "E": 5.5327846803337435,
    "A1": 1.8313851559554126 * 1e6**_ALPHA,
    "alpha1": _ALPHA,
    "A2": 0.19584238398665638 * 1e6**_ALPHA2,
    "alpha2": _ALPHA2,
    "B": 2.1241123120064955 * 1e9**_ALPHA,
    "beta": _ALPHA,
}


def best_vocabulary(n: float, width: int, flops: float) -> float:
    """Words at which the loss is least, with tokens in the place of characters as the authors do."""

    def loss(log_v):
        v = np.exp(log_v)
        tokens = flops / (6 * (n + v))
        text = {"n_tokens": tokens, "n_characters": tokens, "unigram_loss_nats": 7.0}
        return float(LAWS["vocabulary"](TAO, {"n_params_body": n, "vocab_params": v, **text}))

    found = minimize_scalar(loss, bounds=(np.log(1e6), np.log(1e11)), options={"xatol": 1e-9})
    return np.exp(found.x) / width


def budget(n: float) -> float:
    """Compute for which n is the best size, by the authors' own frontier."""
    return (n / np.exp(-2.4846510161625193)) ** 2


def test_llama_2_70b_should_have_had_216_thousand_words():
    words = best_vocabulary(70e9, 8192, budget(70e9))
    assert words == pytest.approx(217_961, rel=2e-3) and words >= 216_000  # "at least 216K"
    assert words / 32_000 == pytest.approx(7, abs=0.3)  # "7 times larger than its vocabulary"
    # Vocabulary weights grow more slowly than the others, and with more data for one size.
    small = best_vocabulary(7e9, 4096, budget(7e9))
    assert 0.8 < np.log10(words * 8192 / (small * 4096)) < 0.9
    assert best_vocabulary(7e9, 4096, 4 * budget(7e9)) > small
