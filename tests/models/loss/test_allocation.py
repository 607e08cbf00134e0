from dataclasses import replace

import numpy as np
import pytest
from loss_examples import TRUTH, synthetic_table

from bayeslaw.errors import InvalidInputError, UndecidedError
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.models.loss.allocation import allocate
from bayeslaw.models.loss.cards import PublishedFit, published_fits
from bayeslaw.models.loss.isoflop import find_optimum, neighbourhood
from bayeslaw.runs import RunTable


def closed_form(theta, budget):
    """N = G (C/6)^(b/(a+b)), D = (C/6)^(a/(a+b)) / G, G = (aA/bB)^(1/(a+b)): arXiv:2203.15556."""
    a, b = theta["alpha"], theta["beta"]
    g = (a * theta["A"] / (b * theta["B"])) ** (1 / (a + b))
    return g * (budget / 6) ** (b / (a + b)), (budget / 6) ** (a / (a + b)) / g


def codes(best):
    return {note.code for note in best.notes}


@pytest.mark.parametrize("name", ["hoffmann_2022", "hoffmann_2022_unrounded", "sardana_all"])
@pytest.mark.parametrize("budget", [1e18, 5.76e23, 1e27])
def test_a_published_chinchilla_fit_is_spent_as_its_closed_form_says(name, budget):
    fit = published_fits()[name]
    best = allocate(fit, budget)
    n, d = closed_form(fit.theta, budget)
    assert best.n_params.median == pytest.approx(n, rel=1e-3)
    assert best.n_tokens.median == pytest.approx(d, rel=1e-3)
    assert best.loss_nats.median == pytest.approx(
        float(fit.losses({"n_params": n, "n_tokens": d})), rel=1e-7
    )
    assert best.n_params.ratio == pytest.approx(1) and "no_errors_published" in codes(best)


def test_every_draw_has_its_own_closed_form():
    fit = published_fits()["epoch_2024"]
    best = allocate(fit, 1e21, n_draws=200, seed=3)
    n, _ = closed_form(fit.draws(200, 3), 1e21)
    assert best.draws["n_params"] == pytest.approx(n, rel=2e-3)
    assert best.n_params.lower == pytest.approx(np.quantile(n, 0.05), rel=2e-3)
    assert "no_discrepancy" in codes(best)


def test_errors_drawn_one_by_one_decide_less_and_say_so():
    fit = published_fits()["epoch_2024"]
    alone = allocate(replace(fit, correlation=None), 1e21)
    assert {"independent_errors", "undecidable"} <= codes(alone)
    if fit.correlation is not None:
        assert allocate(fit, 1e21).n_params.ratio < alone.n_params.ratio


def test_a_posterior_holds_the_truth_and_its_loss_has_the_discrepancy_in_it(laplace):
    budget = 5 * laplace.max_cost_flops
    best = allocate(laplace, budget)
    n, d = closed_form(TRUTH, budget)
    assert best.n_params.lower < n < best.n_params.upper
    assert best.n_tokens.lower < d < best.n_tokens.upper
    truth = LAWS["chinchilla"](TRUTH, {"n_params": n, "n_tokens": d})
    assert best.loss_nats.lower < truth < best.loss_nats.upper
    bare = laplace.losses(
        {"n_params": np.array([n]), "n_tokens": np.array([d])}, discrepancy=False
    )  # fmt: skip
    assert np.log(best.draws["loss_nats"]).std() > 1.1 * np.log(bare).std()


def test_the_curve_is_a_u_around_the_optimum_and_costs_nothing_there(laplace):
    best = allocate(laplace, 2 * laplace.max_cost_flops)
    excess = np.array([point.excess.median for point in best.curve])
    lowest = len(excess) // 2
    assert excess.argmin() == lowest
    assert (np.diff(excess[: lowest + 1]) < 0).all() and (np.diff(excess[lowest:]) > 0).all()
    assert best.curve[lowest].n_params == pytest.approx(best.n_params.median, rel=1e-6)
    for point in best.curve:
        assert 6 * point.n_params * point.n_tokens == pytest.approx(best.budget_flops)
        # No size beats a draw's own optimum, up to what a parabola misses at a path's kink.
        assert point.excess.lower > -1e-4
        # What all sizes share cancels in the excess, not in the loss.
        relative = (point.loss_nats.upper - point.loss_nats.lower) / point.loss_nats.median
    assert best.curve[lowest].excess.upper < relative


SHAPED = {**TRUTH, "x_star": 0.12, "a1": 0.15, "r_star": 1.5, "b1": 0.08}


def test_the_best_shape_comes_with_its_interval_and_may_be_fixed():
    fit = PublishedFit(
        "mine", LAWS["conditional_multiplicative"], SHAPED,
        {"x_star": 0.012, "r_star": 0.3}, {}, "nats", "made up", {},
    )  # fmt: skip
    best = allocate(fit, 1e15)
    width, mlp = best.shape["relative_width"], best.shape["mlp_attention_ratio"]
    drawn = fit.draws(300, 0)
    for interval, name in ((width, "x_star"), (mlp, "r_star")):
        exact = np.quantile(drawn[name], [0.05, 0.5, 0.95])
        assert [interval.lower, interval.median, interval.upper] == pytest.approx(exact, rel=0.02)
    assert best.n_params.median == pytest.approx(closed_form(TRUTH, 1e15)[0], rel=2e-3)
    held = allocate(fit, 1e15, fixed={"relative_width": 0.3})
    assert set(held.shape) == {"mlp_attention_ratio"}
    assert held.loss_nats.median > best.loss_nats.median


@pytest.mark.slow
def test_a_posterior_over_shapes_holds_the_best_one():
    rng = np.random.default_rng(5)
    base = synthetic_table(seed=5, n_runs=60)
    columns = {
        "n_params_body": base["n_params_body"], "n_tokens": base["n_tokens"],
        "relative_width": rng.uniform(0.05, 0.3, 60),
        "mlp_attention_ratio": np.exp(rng.uniform(np.log(0.4), np.log(5), 60)),
    }  # fmt: skip
    law = LAWS["conditional_multiplicative"]
    loss = law(SHAPED, columns) * np.exp(0.003 * rng.standard_normal(60))
    posterior = fit_law(
        law, RunTable.from_columns({**columns, "loss_nats": loss}), method="laplace"
    )
    best = allocate(posterior, 2 * posterior.max_cost_flops)
    width, mlp = best.shape["relative_width"], best.shape["mlp_attention_ratio"]
    assert width.lower < 0.12 < width.upper and width.ratio < 2
    assert mlp.lower < 1.5 < mlp.upper and mlp.ratio < 4
    n, _ = closed_form(TRUTH, best.budget_flops)
    assert best.n_params.lower < n < best.n_params.upper


def test_a_law_without_a_best_shape_says_so():
    best = allocate(published_fits()["p2_tied"], 1e20)
    notes = [note for note in best.notes if note.code == "optimum_at_edge"]
    assert len(notes) == 1 and "aspect_ratio" in notes[0].message
    fixed = allocate(published_fits()["p2_tied"], 1e20, fixed={"aspect_ratio": 80.0})
    assert "optimum_at_edge" not in codes(fixed)


def test_an_optimum_beyond_the_runs_is_noted(laplace):
    near = allocate(laplace, laplace.max_cost_flops / 4)
    assert "outside_validated_distance" not in codes(near)
    far = allocate(laplace, 1e4 * laplace.max_cost_flops)
    assert {"outside_validated_distance", "outside_fitted_range"} <= codes(far)


def test_a_given_corpus_is_repeated_and_moves_the_optimum_to_fewer_tokens():
    fit = published_fits()["muennighoff_2023"]
    scarce, ample = (allocate(fit, 1e21, fixed={"unique_tokens": u}) for u in (1e9, 1e13))
    assert scarce.loss_nats.median > ample.loss_nats.median
    base = published_fits()["muennighoff_base"]
    assert ample.n_params.median == pytest.approx(allocate(base, 1e21).n_params.median, rel=2e-3)


def test_experts_that_a_token_does_not_use_are_noted():
    best = allocate(published_fits()["abnar_2025"], 1e21, fixed={"active_expert_share": 0.25})
    assert "cost_counts_all_experts" in codes(best)
    dense = allocate(published_fits()["hoffmann_2022"], 1e21)
    assert "cost_counts_all_experts" not in codes(dense)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "match"),
    [
        ("hoffmann_2022", {"budget_flops": 0}, InvalidInputError, "such as 1e21"),
        ("hoffmann_2022", {"budget_flops": 1e21, "level": 90}, InvalidInputError, "between 0 and"),
        ("kumar_2024", {"budget_flops": 1e21}, InvalidInputError, "--fix weight_bits=NUMBER"),
        (
            "hoffmann_2022",
            {"budget_flops": 1e21, "fixed": {"depth": 3}},
            InvalidInputError,
            "'depth'. cannot be fixed",
        ),
        (
            "muennighoff_2023",
            {"budget_flops": 1e21, "fixed": {"unique_tokens": -1}},
            InvalidInputError,
            "unique_tokens must be positive",
        ),
        ("p1_1b", {"budget_flops": 1e21}, InvalidInputError, "were not published"),
        (
            "parscale_pile",
            {"budget_flops": 1e21, "fixed": {"n_streams": 2}},
            UndecidedError,
            "depends on both N and D",
        ),
    ],
)
def test_what_cannot_be_allocated_is_refused_with_what_to_do(name, arguments, error, match):
    with pytest.raises(error, match=match):
        allocate(published_fits()[name], **arguments)


def test_a_grid_s_lowest_point_is_refined_between_its_points():
    law = LAWS["chinchilla"]
    theta = {name: np.full((1, 1), value) for name, value in TRUTH.items()}
    best = find_optimum(law, lambda columns: law(theta, columns), 1e14, {})
    assert best.n_params[0] == pytest.approx(closed_form(TRUTH, 1e14)[0], rel=1e-4)
    assert best.at_edge == {"n_params": 0.0}


def test_factors_around_one_have_one_in_the_middle():
    assert neighbourhood(16.0, 9) == pytest.approx([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16])
