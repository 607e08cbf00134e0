import numpy as np
import pytest
import yaml

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.cards import fits_of, published_fits, published_formulas
from bayeslaw.models.loss.laws import from_paper
from bayeslaw.shipped import shipped_folder

FITS = published_fits()
EVERY_FIT = pytest.mark.parametrize("fit", FITS.values(), ids=list(FITS))
COLUMNS = {
    "n_params": 1e9,
    "n_params_body": 9e8,
    "n_params_body_active": 3e8,
    "n_tokens": 2e10,
    "unique_tokens": 1e10,
    "n_characters": 9e10,
    "vocab_params": 6e7,
    "unigram_loss_nats": 7.5,
    "aspect_ratio": 80.0,
    "d_model": 2048.0,
    "n_layers": 24.0,
    "active_expert_share": 0.1,
    "granularity": 4.0,
    "n_experts": 32.0,
    "n_streams": 2.0,
    "weight_bits": 16.0,
    "activation_bits": 16.0,
    "kv_bits": 16.0,
}


@EVERY_FIT
def test_a_card_names_a_law_its_counting_its_coefficients_and_a_source(fit):
    assert fit.law == LAWS[fit.law.name].counting(fit.n_column)
    assert fit.source and fit.loss
    assert set(fit.theta) <= set(fit.law.coefficient_names)
    assert set(fit.stderr) | set(fit.ci95) <= set(fit.theta)
    assert not fit.is_unverified


@EVERY_FIT
def test_a_published_fit_gives_a_loss_of_language_or_says_what_is_missing(fit):
    if fit.missing:
        with pytest.raises(InvalidInputError, match="were not published"):
            fit.losses(COLUMNS)
        return
    loss = float(fit.losses(COLUMNS))
    assert 0.9 < loss < 4.5  # nats a token of code to nats a token of web text
    grown = (fit.n_column, "n_tokens", "unique_tokens", "n_characters", "d_model")
    larger = {**COLUMNS, **{name: 3 * COLUMNS[name] for name in grown}}
    assert fit.losses(larger) < loss


@EVERY_FIT
def test_draws_have_the_published_middle_and_width(fit):
    if fit.missing:
        with pytest.raises(InvalidInputError, match="were not published"):
            fit.draws(3, seed=0)
        return
    draws = fit.draws(4000, seed=0)
    assert list(draws) == list(fit.law.coefficient_names)
    for name, values in draws.items():
        assert values.shape == (4000,) and np.isfinite(values).all()
        if name in fit.without_error:
            assert (values == fit.theta[name]).all()
            continue
        spread = np.log(values).std()
        assert abs(np.log(np.median(values) / fit.theta[name])) < 5 * 1.25 * spread / np.sqrt(4000)
        if name in fit.ci95:
            low, high = fit.ci95[name]
            width = np.diff(np.log(np.quantile(values, [0.025, 0.975])))[0]
            assert width == pytest.approx(np.log(high / low), rel=0.1)
    again = fit.draws(4000, seed=0)
    assert all((again[name] == values).all() for name, values in draws.items())


def test_what_epoch_s_errors_mean_together_is_narrower_than_apart():
    fit = FITS["epoch_2024"]
    assert fit.correlation is not None
    draws = fit.draws(4000, seed=0)
    theta = {name: values[:, None] for name, values in draws.items()}
    at = {"n_params": np.array([1e10]), "n_tokens": np.array([2e11])}
    together = np.log(fit.law(theta, at)).std()
    rng = np.random.default_rng(0)
    apart = {name: rng.permutation(values)[:, None] for name, values in draws.items()}
    assert together < 0.5 * np.log(fit.law(apart, at)).std()
    assert together < 0.02


@EVERY_FIT
def test_a_card_s_gauge_is_that_of_the_paper_s_letters(fit):
    if fit.paper is None:
        return
    if fit.law.name == "conditional_multiplicative":
        expected = from_paper(**fit.paper)
    elif fit.law.name == "routed":
        expected = {**fit.paper, "scale": 10 ** fit.paper["d"]}
    else:  # weights in millions, characters in billions
        assert fit.law.name == "vocabulary"
        units = {"A1": 1e6 ** fit.paper["alpha1"], "A2": 1e6 ** fit.paper["alpha2"]}
        units["B"] = 1e9 ** fit.paper["beta"]
        expected = {name: value * units.get(name, 1.0) for name, value in fit.paper.items()}
    for name, value in fit.theta.items():
        assert value == pytest.approx(expected[name], rel=5e-4)


def test_rows_outside_what_was_fitted_are_known():
    fit = FITS["hoffmann_2022"]
    flags = fit.outside({"n_params": np.array([1e6, 1e9, 1e12]), "n_tokens": np.ones(3)})
    assert {name: list(values) for name, values in flags.items()} == {
        "n_params": [True, False, True]
    }
    beyond = FITS["gemstones_hot_100b"].outside({"n_tokens": np.array([1.0, 1e12])})
    assert list(beyond["n_tokens"]) == [False, True]  # its lower end is unknown


def test_unchecked_numbers_are_kept_back_unless_asked_for():
    assert "moe_leverage_exponents" not in published_formulas()
    assert published_formulas(unverified=True)["moe_leverage_exponents"].is_unverified
    assert published_formulas()["step_law_batch"].values["d_power"] == 0.571


CARD = {
    "about": "a card", "law": "chinchilla", "n_column": "n_params", "loss": "nats",
    "fits": {
        "one": {
            "source": "here",
            "coefficients": {"E": {"value": 1.7}, "alpha": {"value": 0.3, "ci95": [0.2, 0.4]}},
        }
    },
}  # fmt: skip


def write(tmp_path, **changes):
    fit = {**CARD["fits"]["one"], **changes.pop("fit", {})}
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**CARD, "fits": {"one": fit}, **changes}))
    return path


def test_a_card_of_your_own_is_read(tmp_path):
    fit = fits_of(write(tmp_path, fit={"unverified": True}))["one"]
    assert fit.missing == ("A", "B", "beta") and fit.is_unverified
    assert fit.without_error == ("E",)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"fit": {"sauce": "x"}}, "fits.one.sauce: Extra inputs are not permitted"),
        ({"fit": {"coefficients": {"E": {"value": -1.0}}}}, "must be positive"),
        ({"fit": {"coefficients": {"F": {"value": 1.0}}}}, "not \\['F'\\]"),
        ({"fit": {"coefficients": {"E": {"value": float("nan")}}}}, "finite number"),
        ({"fit": {"coefficients": {"E": {"value": 1, "ci95": [2, 3]}}}}, "does not hold the value"),
        ({"fit": {"coefficients": {"E": {"value": 1, "stderr": 0}}}}, "greater than 0"),
        ({"fit": {"law": "unheard"}}, "no law 'unheard'"),
        ({"fit": {"n_column": "N"}}, "counted as one of"),
        ({"fit": {"valid": {"aspect_ratio": [1, 2]}}}, "have no range"),
        ({"loss": None}, "neither the fit nor its card says 'loss'"),
        (
            {"fit": {"correlation": {"source": "x", "order": ["E"], "matrix": [[1.0]]}}},
            "the correlation is of",
        ),
        (
            {"fit": {"correlation": {"source": "x", "order": ["E"], "matrix": [[0.5]]}}},
            "must correlate with itself by 1",
        ),
    ],
)
def test_a_wrong_card_is_refused_at_the_door(tmp_path, changes, match):
    with pytest.raises(InvalidInputError, match=match):
        fits_of(write(tmp_path, **changes))


def test_what_is_no_yaml_or_not_there_is_said(tmp_path):
    path = tmp_path / "card.yaml"
    path.write_text("fits: [")
    with pytest.raises(InvalidInputError, match="is not YAML"):
        fits_of(path)
    with pytest.raises(InvalidInputError, match="cannot open the card"):
        fits_of(tmp_path / "absent.yaml")


def test_every_shipped_card_holds_something():
    for path in shipped_folder("models").glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert content.get("fits") or content.get("formulas"), path.name
