"""Published fits of dense laws, as our cards give them, return the figures that were published.

The tables at hand are parts of the authors' own, so figures over their rows are near the printed
ones, not equal: each test says by how much and why. Where a paper prints no figure for a fit, the
fit has to describe the paper's own public losses.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import spearmanr

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.cards import published_fits
from bayeslaw.models.loss.laws import from_paper
from bayeslaw.models.loss.laws.data_constrained import effective_tokens
from bayeslaw.space import Architecture

CHECKOUT = Path(__file__).parents[2]
DATA = Path(os.environ.get("BAYESLAW_DATA", CHECKOUT.parent / "shared" / "data"))
FITS = published_fits()

CHINCHILLA_FLOPS = 6 * 70e9 * 1.4e12


def public_table(name: str) -> pd.DataFrame:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the public table {path} is not here; set BAYESLAW_DATA")
    return pd.read_csv(path)


def best_split(fit, flops):
    """N and D of the lowest loss at ``6 N D = flops``, found on the law's own curve."""

    def loss(log_n):
        n = np.exp(log_n)
        return float(fit.losses({"n_params": n, "n_tokens": flops / 6 / n}))

    n = np.exp(minimize_scalar(loss, bounds=(np.log(1e6), np.log(1e14)), options={"xatol": 1e-9}).x)
    return n, flops / 6 / n


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


# P1 ----------------------------------------------------------------------------------------------

P1 = {
    "80-297M": from_paper(2.697, 0.0974, 0.0078, 0.3870, 0.0063, 0.0065),
    "1B": from_paper(2.319, 0.238, 0.0176, 0.5104, 0.0051, 0.0062),
}


def test_p1_s_fits_have_their_published_optima():
    optima = {name: (round(f["x_star"], 4), round(f["r_star"], 3)) for name, f in P1.items()}
    assert optima == {"80-297M": (0.0801, 1.032), "1B": (0.0739, 1.216)}  # 1.229 is printed for 1B
    assert P1["80-297M"]["scale"] == pytest.approx(1.0028, abs=1e-4)
    assert P1["1B"]["scale"] == pytest.approx(1.0005, abs=1e-4)


@pytest.mark.parametrize(("name", "card"), [("80-297M", "p1_80m_297m"), ("1B", "p1_1b")])
def test_p1_s_cards_hold_its_letters_in_our_gauge(name, card):
    for coefficient, value in FITS[card].theta.items():
        assert value == pytest.approx(P1[name][coefficient], rel=5e-4)


@pytest.mark.parametrize(
    ("d", "f", "layers", "heads", "kv", "head_dim", "small_fit", "fit_1b"),
    [
        (2048, 8192, 16, 32, 8, 64, 1.0129, 1.0071),  # LLaMA-3.2-1B: 2.803, 1.0075 of the best
        (2560, 4096, 16, 72, 18, 64, 1.0000, 1.0007),  # Panda-1B: 2.782
        (2560, 6144, 16, 36, 4, 64, 1.0086, 1.0048),  # Surefire-1B: 2.804; its GQA is in no law
        (3072, 8192, 28, 24, 8, 128, 1.0089, 1.0071),  # LLaMA-3.2-3B: 2.625, 1.0073 of the best
        (4096, 4096, 28, 36, 12, 128, 1.0000, 1.0003),  # Panda-3B: 2.619
        (4096, 4608, 28, 33, 11, 128, 1.0003, 1.0001),  # Panda-3B°: 2.606
    ],
)
@pytest.mark.parametrize("law", ["conditional_multiplicative", "conditional_varying"])
def test_p1_s_architectures_cost_what_its_law_says(
    law, d, f, layers, heads, kv, head_dim, small_fit, fit_1b
):
    shape = Architecture(
        n_layers=layers, d_model=d, n_heads=heads, n_kv_heads=kv, head_dim=head_dim, d_ff=f,
        vocab_size=128256,
    )  # fmt: skip
    # A base that is 1 everywhere, so that the law returns the shape factor; no drift, where any.
    base = {"E": 1.0, "A": 0.0, "alpha": 1.0, "B": 0.0, "beta": 1.0}
    base |= {c: 0.0 for c in LAWS[law].coefficient_names if c.endswith("_drift")}
    columns = {
        "n_params_body": np.array([shape.n_params_body], float),
        "n_tokens": np.array([1e11]),
        "relative_width": np.array([shape.relative_width]),
        "mlp_attention_ratio": np.array([shape.mlp_attention_ratio]),
    }
    assert LAWS[law]({**base, **P1["80-297M"]}, columns)[0] == pytest.approx(small_fit, abs=2e-4)
    assert LAWS[law]({**base, **P1["1B"]}, columns)[0] == pytest.approx(fit_1b, abs=2e-4)


# P2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "mse", "r2", "ranks_shapes"),
    # Printed over all 76 rows, those fitted included: .0033, .0006, .0005 and .9895, .9982, .9985.
    # Here are 51: no 1B (its Spearman of -.40 and 1.00 cannot be had), no 86M, 178M, 339M.
    [
        ("p2_chinchilla", 0.0033, 0.9895, False),
        ("p2_tied", 0.0006, 0.9982, True),
        ("p2_free_gamma", 0.0005, 0.9985, True),
    ],
)
def test_p2_s_fits_describe_its_rows_as_its_figure_7_does(card, mse, r2, ranks_shapes):
    rows = public_table("morph/runs.csv")
    columns = {
        "n_params": rows.N_total.to_numpy(float),
        "n_tokens": rows.D_tokens.to_numpy(float),
        "aspect_ratio": rows.aspect_ratio.to_numpy(),
    }
    loss = rows.loss.to_numpy()
    predicted = FITS[card].losses(columns)
    assert np.mean((predicted - loss) ** 2) == pytest.approx(mse, rel=0.15)
    assert 1 - np.mean((predicted - loss) ** 2) / np.var(loss) == pytest.approx(r2, abs=6e-4)
    assert spearmanr(predicted, loss).statistic > 0.98
    short = rows.assign(predicted=predicted)[rows.token_regime == "20N"]
    within = [
        spearmanr(shapes.predicted, shapes.loss).statistic
        for _, shapes in short.groupby("size_group")
        if len(shapes) > 2
    ]
    # What the shape term buys: without it, the order of one size's shapes is lost.
    assert (np.mean(within) > 0.5) == ranks_shapes


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
