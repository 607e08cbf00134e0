from pathlib import Path

import numpy as np
import pytest
from benchmarks.tiny import laws, simulate
from benchmarks.tiny.effects import shape_effects
from benchmarks.tiny.laws import Forecast, score
from benchmarks.tiny.mixed import Component, fit_mixed
from benchmarks.tiny.noise import noise_floor
from benchmarks.tiny.shape_errors import shape_errors
from benchmarks.tiny.suite import Suite, one_hot, same
from benchmarks.tiny.synthetic import Truth, synthetic_suite

from bayeslaw import RunTable, read_runs, write_runs
from bayeslaw.errors import InvalidInputError, NotEnoughRunsError, UndecidedError
from benchmarks import tiny_suite


@pytest.fixture(scope="module")
def suite() -> Suite:
    return Suite.of(synthetic_suite(Truth(), seed=1))


def test_sizes_budgets_trunks_and_shapes_are_found(suite):
    assert suite.n_sizes == 6
    assert suite.budgets == (5, 10, 20, 40)
    assert len(np.unique(suite.shape)) == 49
    assert len(np.unique(suite.trunk)) == 49 + 2 * 7
    # The two largest sizes have three budgets, the others four.
    assert len(np.unique(suite.cell)) == 4 * 4 + 2 * 3


def test_a_selection_keeps_the_numbers_of_sizes(suite):
    large = suite.select(suite.size == 4)
    assert set(large.size) == {4}
    assert large.size_label(4).endswith("k")


def test_a_suite_survives_its_file(suite, tmp_path: Path):
    path = tmp_path / "runs.parquet"
    write_runs(suite.table, path)
    again = Suite.of(read_runs(path))
    assert (again.trunk == suite.trunk).all()
    assert (again.log_loss == suite.log_loss).all()


def test_a_table_that_does_not_name_trunks_is_refused(suite):
    table = RunTable(columns=suite.table.columns, run_ids=suite.table.run_ids)
    with pytest.raises(InvalidInputError, match="trunk"):
        Suite.of(table)


def test_variance_components_agree_with_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 5)
    values = 0.02 * rng.standard_normal(40)[group] + 0.005 * rng.standard_normal(200)
    fit = fit_mixed(
        values,
        np.ones((200, 1)),
        [Component("group", same(group), 0.005), Component("point", np.eye(200))],
        seed=0,
    )
    means = values.reshape(40, 5)
    within = means.var(axis=1, ddof=1).mean()
    between = means.mean(axis=1).var(ddof=1) - within / 5
    assert np.median(fit.sds["point"]) == pytest.approx(np.sqrt(within), rel=0.03)
    assert np.median(fit.sds["group"]) == pytest.approx(np.sqrt(between), rel=0.05)
    # Of the mean: 40 groups' worth, not 200 points'.
    expected = np.sqrt((between + within / 5) / 40)
    assert fit.effects[:, 0].std() == pytest.approx(expected, rel=0.12)


def test_effects_that_a_suite_cannot_tell_apart_are_an_error():
    same_twice = one_hot(np.repeat([0, 1], 10))[:, [0, 0]]
    with pytest.raises(UndecidedError, match="not independent"):
        fit_mixed(np.ones(20), same_twice, [Component("point", np.eye(20))], seed=0)


@pytest.mark.slow
def test_ninety_percent_intervals_hold_the_truth_about_nine_times_in_ten():
    held = simulate.coverage(range(4))
    regression = [v for name, v in held.items() if "end" in name and "bootstrap" not in name]
    # 24 intervals, a third of them mirrors of others; .7 or less comes once in a hundred.
    assert np.mean(regression) > 0.7
    assert np.mean([v for name, v in held.items() if name.startswith(("sd", "noise"))]) > 0.7


def test_an_effect_is_found_with_its_sign_and_its_optimum():
    truth = Truth(aspect_curve=0.02, shape_sd=0.002)
    found = shape_effects(Suite.of(synthetic_suite(truth, seed=3)))["factors"]["aspect_ratio"]
    assert found["verdict"] == "matters"
    assert found["optimum"]["verdict"] == "inside the range"
    assert found["optimum"]["low"] < 16 < found["optimum"]["high"]
    assert found["low_end_minus_middle_nats"]["low"] > 0


@pytest.mark.slow  # 22 s
def test_effects_that_are_not_there_are_undecidable():
    truth = Truth(aspect_curve=0, ratio_curve=0, gqa_slope=0)
    suites = [Suite.of(synthetic_suite(truth, seed=s)) for s in range(3)]
    verdicts = [f["verdict"] for s in suites for f in shape_effects(s)["factors"].values()]
    # 9 tests at 5 %: four or more come once in a thousand.
    assert verdicts.count("matters") < 4


def test_points_of_one_trunk_do_not_pass_for_independent():
    # Shapes differ by accident alone; taken for 236 independent points, factors would matter.
    truth = Truth(
        aspect_curve=0, ratio_curve=0, gqa_slope=0, shape_sd=0.02, point_sd=1e-4, seed_sd=1e-4
    )
    found = shape_effects(Suite.of(synthetic_suite(truth, seed=5)))
    for factor in found["factors"].values():
        width = np.ptp([factor["high_end_minus_middle_nats"][k] for k in ("low", "high")])
        # The sd of 49 independent shapes leaves about this much, whatever the number of points.
        assert width > 2 * 0.02 * found["loss_scale_nats"] / np.sqrt(49)


def test_the_noise_floor_is_that_of_the_repeats(suite):
    found = noise_floor(suite)
    assert [row["degrees_of_freedom"] for row in found["by_tokens_per_param"]] == [14, 14, 14, 10]
    assert found["n_repeated_shapes"] == 7
    correlation = found["trunk_correlation"]["correlation"]
    assert correlation["low"] < 0.009 / 0.013 < correlation["high"]


def test_text_error_that_runs_share_is_not_noise_between_them():
    truth = Truth(text_sd=0.05)
    found = noise_floor(Suite.of(synthetic_suite(truth, seed=2)))["text_sampling"]
    # Between seeds about .01 nats, so of .05**2 at least nine tenths are shared.
    assert found["shared_share_of_variance_at_least"]["low"] > 0.85


def test_a_suite_without_repeats_has_no_noise_floor(suite):
    alone = suite.select(np.array([str(t).endswith("s0") for t in suite.table.trunks]))
    with pytest.raises(NotEnoughRunsError, match="two seeds"):
        noise_floor(alone)


def test_scores_count_what_intervals_hold(suite):
    rows = np.arange(100)
    rng = np.random.default_rng(0)
    truth = suite.log_loss[rows]
    # The forecast's centre misses by as much as its own spread says.
    centre = truth + 0.01 * rng.standard_normal(100)
    draws = centre + 0.01 * rng.standard_normal((2000, 100))
    narrow = centre + 0.002 * rng.standard_normal((2000, 100))
    found = score(Forecast(rows, draws, narrow, draws, np.zeros(100)), suite)
    assert found["within_90_with_discrepancy"] == pytest.approx(0.9, abs=0.08)
    assert found["within_50_with_discrepancy"] == pytest.approx(0.5, abs=0.15)
    assert found["within_90_without"] < 0.5
    assert found["crps_nats"] < found["crps_nats_without"]


def test_shape_errors_that_grow_are_seen_beyond_the_fitted_sizes():
    label = "chinchilla, N of the body"
    quiet, growing = (
        shape_errors(
            Suite.of(
                synthetic_suite(
                    Truth(
                        aspect_curve=0, ratio_curve=0, gqa_slope=0, shape_sd=5e-4, shape_growth=g
                    ),
                    seed=4,
                )
            ),
            label,
            n_fitted=[3],
        )["cuts"][0]["sizes"]
        for g in (0.0, 0.01)
    )
    assert [row["is_fitted"] for row in growing] == [True] * 3 + [False] * 3
    assert np.mean([row["shape_sd"]["median"] for row in quiet[3:]]) < 0.004
    assert np.mean([row["shape_sd"]["median"] for row in growing[3:]]) > 0.008


@pytest.mark.slow  # 47 s
def test_all_answers_fit_into_a_table_and_a_picture(suite, monkeypatch, tmp_path: Path):
    for label in set(laws.CANDIDATES) - {"chinchilla, N of the body", "chinchilla"}:
        monkeypatch.delitem(laws.CANDIDATES, label)
    monkeypatch.setattr(laws, "_N_FOLDS", 2)
    small = suite.select(suite.size < 4)
    write_runs(small.table, tmp_path / "runs.parquet")
    picture = tmp_path / "picture.png"
    figures, rows = tiny_suite.measure(
        True, tmp_path, table=tmp_path / "runs.parquet", picture=picture
    )
    assert picture.stat().st_size > 20_000
    assert {len(row) for row in rows} == {len(tiny_suite.HEADERS)}
    assert {len(row) for row in tiny_suite.law_rows(figures["held_out"])} == {
        len(tiny_suite.LAW_HEADERS)
    }
    assert set(figures["headline"]["best_law"]) == {"dearer_runs", "larger_sizes", "other_shapes"}
