from dataclasses import replace

import numpy as np
import pytest
from benchmarks.digital_twin import with_grids, without_laws
from benchmarks.digital_twin.cells import METHODS, cell_path
from benchmarks.digital_twin.decide import LatencyAnswer, decide
from benchmarks.digital_twin.device import TwinDevice
from benchmarks.digital_twin.scores import calibration, pool, reliability
from benchmarks.digital_twin.shapes import Shape, build, draw_shapes, is_sane, shape_of
from benchmarks.digital_twin.table import LossTable
from benchmarks.digital_twin.trace import Trace
from benchmarks.digital_twin.truths import FAMILIES, SHAPE_LAWS, columns_of, library_without
from benchmarks.digital_twin.world import World, worlds

from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.models.loss import LAWS
from bayeslaw.space import Candidate

LAB = World("p1_multiplicative", 7, "loss")


def known_latency(world):
    """What perfect knowledge of latency would say; nothing here asks the surrogate itself."""
    everyone = [*world.targets, world.baseline]
    tpot = np.array([world.device.latencies_ms(c.architecture)[1] for c in everyone])
    share = tpot[:-1] / tpot[-1]
    surrogate = LatencySurrogate.__new__(LatencySurrogate)
    return LatencyAnswer(surrogate, share, share <= 0.95)


def steps(*regrets):
    return Trace(
        steps=[
            {"hours": 2.0 * (i + 1), "n_runs": 4 * (i + 1), "chosen": 0, "regret": regret}
            for i, regret in enumerate(regrets)
        ]
    )


def test_twenty_labs_hold_every_family_four_times_and_both_decisions():
    labs = worlds()
    assert len({lab.name for lab in labs}) == 20
    assert {f: sum(lab.family == f for lab in labs) for f in FAMILIES} == dict.fromkeys(FAMILIES, 4)
    assert sum(lab.decision == "latency" for lab in labs) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_library_lacks_the_truths_own_law_and_its_twins(family):
    left = library_without(family)
    assert left and not set(left) & set(FAMILIES[family].removed)
    assert set(left) <= set(LAWS) and set(left) <= set(SHAPE_LAWS)
    if family.startswith("p1"):
        assert not [name for name in left if name.startswith("conditional")]


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_are_plausible_fall_with_tokens_and_depend_on_shape(family):
    table = LossTable(family, 3, 1e20)
    shapes = draw_shapes(30, 3e8, 0)
    few = table.log_means([Candidate(a, 6 * 10**9) for a in shapes])
    many = table.log_means([Candidate(a, 3 * 10**10) for a in shapes])
    assert (np.exp(few) > 1.3).all() and (np.exp(few) < 5).all()
    assert (many < few).all()
    assert few.std() > 0.001


def test_a_table_is_a_table_noise_is_larger_for_small_runs_and_some_runs_are_bad():
    table = LossTable("p2", 0, 6 * 3e8 * 6e9)
    big = [Candidate(a, 6 * 10**9) for a in draw_shapes(300, 3e8, 0)]
    small = [Candidate(a, 6 * 10**8) for a in draw_shapes(300, 3e7, 0)]
    np.testing.assert_array_equal(table.losses(big[:5]), table.losses(big)[:5])
    off = [np.log(table.losses(c)) - table.log_means(c) for c in (big, small)]
    middle = [np.quantile(o, 0.75) - np.quantile(o, 0.25) for o in off]
    assert middle[1] > 1.3 * middle[0]
    # One-sided: the far tail above is a run in twenty, below there is none.
    assert (off[0] > 6 * middle[0]).mean() > 0.01
    assert (off[0] < -6 * middle[0]).mean() == 0


def test_the_error_is_smooth_and_small():
    table = LossTable("gemstones", 1, 1e20)
    candidates = [Candidate(a, 2 * 10**10) for a in draw_shapes(200, 1e9, 0)]
    columns = columns_of(candidates)
    error = table._error(columns)
    assert 2e-4 < error.std() < 5e-3
    moved = {**columns, "aspect_ratio": columns["aspect_ratio"] * 1.02}
    assert np.abs(table._error(moved) - error).max() < 0.1 * error.std()


def test_a_built_network_has_the_size_and_about_the_shape_asked_for():
    asked = Shape(0.07, 90.0, 2.5, 4)
    built = build(asked, 5e8)
    assert built is not None and is_sane(built)
    assert built.n_params_body == pytest.approx(5e8, rel=0.015)
    found = shape_of(built)
    assert found.gqa_group == 4
    assert found.relative_width == pytest.approx(0.07, rel=0.05)
    assert found.aspect_ratio == pytest.approx(90, rel=0.1)
    assert found.mlp_attention_ratio == pytest.approx(2.5, rel=0.3)
    assert build(replace(asked, mlp_attention_ratio=500.0), 5e8) is None


def test_latency_has_its_quirks():
    device = TwinDevice(3)
    deep, wide = (build(Shape(x, r, 2.5, 2), 1e9) for x, r in ((0.05, 30.0), (0.09, 200.0)))
    assert deep is not None and wide is not None
    assert device.latencies_ms(deep)[1] > device.latencies_ms(wide)[1]
    # A few columns more than whole tiles cost a tile more, and nothing until then.
    at = [replace(wide, d_ff=d_ff) for d_ff in (4096 - 16, 4096, 4096 + 16)]
    below, full, above = (device.latencies_ms(a)[1] for a in at)
    assert below == pytest.approx(full, rel=1e-3) and above > full * 1.005


def test_runs_are_ten_to_twenty_times_cheaper_than_the_target_and_targets_are_one_size():
    hours = np.array([LAB.hours(c) for c in LAB.pool])
    assert 10 <= LAB.target_hours / hours.max() <= 40
    assert len(LAB.pool) > 500 and len(set(LAB.pool)) == len(LAB.pool)
    sizes = np.array([c.architecture.n_params_body for c in LAB.targets])
    assert np.abs(sizes / 1e9 - 1).max() <= 0.015
    assert len(LAB.timings) == 32


def test_regret_is_one_at_the_tolerance_and_breaking_the_limit_never_pays():
    regrets = LAB.regrets
    assert regrets.min() == 0 and LAB.is_best.sum() == 1
    assert regrets[LAB.is_best][0] == 0
    tpot = np.array([LAB.device.latencies_ms(c.architecture)[1] for c in LAB.targets])
    limit = 0.95 * LAB.device.latencies_ms(LAB.baseline.architecture)[1]
    assert np.isinf(regrets[tpot > 1.021 * limit]).all()
    loss = LAB.table.log_means(LAB.targets)
    kept = np.isfinite(regrets) & (tpot <= limit)
    expected = (loss[kept] - loss[LAB.is_best]) / 0.001
    np.testing.assert_allclose(regrets[kept], expected, atol=1e-9)


def test_whoever_knows_the_truth_decides_without_regret():
    latency = known_latency(LAB)
    truth = LAB.table.log_means([*LAB.targets, LAB.baseline])
    assert LAB.regrets[decide(LAB, latency, truth)] == 0
    other = replace(LAB, decision="latency")
    assert other.regrets[decide(other, latency, truth)] == 0


def test_a_paper_grid_runs_in_its_order_and_its_fit_finds_its_own_law():
    latency = known_latency(LAB)
    trace = with_grids.follow(LAB, latency, "p1_grid")
    hours = [step["hours"] for step in trace.steps]
    assert hours == sorted(hours) and hours[-1] <= LAB.budget_hours
    runs = LAB.pool[:: len(LAB.pool) // 60]
    clean = LossTable(LAB.family, LAB.number, 1e20)
    law = FAMILIES[LAB.family].build(np.random.default_rng([clean.seed, 1]))
    same_scale = [Candidate(a, 2 * 10**9) for a in draw_shapes(60, 1e8, 0)]
    predicted = with_grids.fit_p1(same_scale, np.exp(law(columns_of(same_scale))), LAB.targets)
    assert predicted is not None
    true = law(columns_of(LAB.targets))
    assert np.corrcoef(predicted, true)[0, 1] > 0.9
    assert with_grids.fit_p1(runs[:4], np.ones(4), LAB.targets) is None


def test_p2s_fit_predicts_its_own_law():
    lab = World("p2", 7, "loss")
    theta = (2.4, 5e4, 7e5, 0.61, 0.0012)
    names = ("n_params", "n_tokens", "aspect_ratio")

    def law(candidates):
        columns = columns_of(candidates)
        return with_grids.tied_law(np.stack([columns[n] for n in names]), *theta)

    predicted = with_grids.fit_p2(lab.pool[::20], law(lab.pool[::20]), lab.targets)
    assert predicted is not None
    np.testing.assert_allclose(predicted, law(lab.targets), rtol=1e-4)


def test_searching_by_chance_gets_better_with_runs_and_pays_for_them():
    trace = without_laws.follow(LAB, known_latency(LAB), "random_best")
    hours = [step["hours"] for step in trace.steps]
    assert hours == sorted(hours) and hours[-1] <= LAB.budget_hours
    assert trace.steps[0]["n_runs"] == 8


def test_time_to_stay_counts_from_the_last_time_it_was_wrong():
    assert steps(5.0, 0.5, 3.0, 0.9, 0.2).hours_to_stay(100.0) == (8.0, True)
    assert steps(0.0, 0.0).hours_to_stay(100.0) == (2.0, True)
    assert steps(0.0, None).hours_to_stay(100.0) == (100.0, False)
    assert Trace().hours_to_stay(7.0) == (7.0, False)


def test_pooled_ratios_are_of_truths_that_both_have():
    found = pool(
        {
            "a": {"ours": steps(0.5), "ax": steps(5.0, 0.5)},
            "b": {"ours": steps(5.0, 5.0)},
        },
        {"a": 100.0, "b": 50.0},
    )
    assert found["ours"]["gpu_hours"] == 26.0 and found["ours"]["success_rate"] == 0.5
    assert found["ax"]["ratio_to_ours"] == 2.0 and found["ax"]["n_truths"] == 1
    assert found["ours"]["ratio_to_ours"] == 1.0


def test_reliability_counts_what_was_not_told_and_calibration_knows_the_overconfident():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.0, 1.0, 4000)
    came = rng.random(4000) < truth

    def told(predicted):
        trace = Trace()
        trace.forecasts.append(
            {
                "n_runs": 8,
                "p_pareto": predicted.tolist(),
                "is_pareto": came.tolist(),
                "n_untold": 10,
                "n_pareto_untold": 1,
                "p_best_chosen": 0.5,
                "is_best_chosen": True,
            }
        )
        return [trace]

    bins = [b for b in reliability(told(truth)) if b["of"] == "p_pareto"]
    assert sum(b["n"] for b in bins) == 4010
    assert all(abs(b["predicted"] - b["observed"]) < 0.08 for b in bins if b["n"] > 200)
    honest = calibration(told(truth))["p_pareto"]["slope"]
    boastful = calibration(told(np.clip(2 * truth - 0.5, 0, 1)))["p_pareto"]["slope"]
    assert honest is not None and boastful is not None
    assert honest == pytest.approx(1, abs=0.07) and boastful < 0.75


def test_cells_are_named_by_lab_method_and_code(tmp_path):
    names = {cell_path(tmp_path, LAB, method).name for method in METHODS}
    assert len(names) == len(METHODS)
    assert all(name.startswith("p1_multiplicative-7-loss-") for name in names)
