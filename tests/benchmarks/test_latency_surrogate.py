import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.extrapolation.scores import crps
from benchmarks.latency_surrogate import baselines, cells, rooflines
from benchmarks.latency_surrogate.cells import cell_path, fill_cell
from benchmarks.latency_surrogate.goals import goals
from benchmarks.latency_surrogate.methods import forecasts, methods_of
from benchmarks.latency_surrogate.rooflines import Neighbours, log_roofline
from benchmarks.latency_surrogate.scores import Forecast, crps_of_mixture, pool, score
from benchmarks.latency_surrogate.splits import (
    Group,
    Part,
    left_out_groups,
    new_device_groups,
    set_groups,
)
from benchmarks.latency_surrogate.tables import Tables, read_own, read_tables
from scipy import stats

from bayeslaw.runs import LatencyTable
from bayeslaw.space import DEVICES

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))
RATES = np.log([3e14, 2e12, 1e-4, 1e-5])


def timings(n=12, *, seed=0, device="h100-sxm", engine="torch", slower=1.0, noise=0.0):
    """A table of ``n`` models under four loads on a device that is a roofline times a factor."""
    rng = np.random.default_rng(seed)
    width = 128.0 * rng.permutation(np.arange(4, 4 + n))
    columns = {
        "d_model": np.repeat(width, 4),
        "n_layers": np.repeat(rng.integers(8, 33, n), 4),
        "n_heads": 8.0,
        "n_kv_heads": 8.0,
        "head_dim": 64.0,
        "d_ff": np.repeat(4 * width, 4),
        "vocab_size": 32000.0,
        "batch_size": np.tile([1.0, 1.0, 8.0, 8.0], n),
        "prompt_tokens": np.tile([128.0, 1024.0, 128.0, 1024.0], n),
        "output_tokens": 64.0,
    }
    labels = {
        "model": [f"m{w:g}" for w in columns["d_model"]],
        "figure": "e2el_ms",
        "device": device,
        "engine": engine,
        "precision": "bfloat16",
    }
    asked = LatencyTable.from_columns(columns, labels)
    logs = log_roofline(asked, RATES) + np.log(slower) + noise * rng.standard_normal(4 * n)
    return LatencyTable.from_columns({**columns, "latency_ms": np.exp(logs)}, labels)


def tables(servers=None, hw_gpt=None, own=None):
    return Tables(hw_gpt=hw_gpt or {}, servers=servers or {}, xlstm=None, own=own or {})


def three_devices():
    names = ("h100-sxm", "a100-80gb", "l4")
    return LatencyTable.concat(
        [timings(device=name, slower=1.0 + 2 * i) for i, name in enumerate(names)]
    )


def test_the_crps_of_a_normal_and_of_a_mixture_is_exact_to_a_percent():
    y = np.linspace(-4, 4, 41)
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    found = crps_of_mixture(np.zeros((1, 41)), np.ones((1, 41)), y)
    np.testing.assert_allclose(found, exact, atol=0.002)
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(size=(5, 1)), np.exp(rng.normal(size=(5, 1)))
    part = rng.integers(0, 5, 100_000)
    draws = mean[part] + sd[part] * rng.standard_normal((100_000, 1))
    for y in (-8.0, 0.3, 30.0):
        expected = crps(draws, np.array([y]))[0]
        assert crps_of_mixture(mean, sd, np.array([y]))[0] == pytest.approx(expected, rel=0.01)


def test_scores_are_of_latency_and_intervals_of_its_log():
    forecast = Forecast.normal(np.log([100.0, 100.0, 100.0]), 0.1)
    found = score(forecast, np.array([100.0, 110.0, 200.0]))
    assert found["mape"] == pytest.approx((0 + 1 / 11 + 1 / 2) / 3)
    assert found["coverage90"] == pytest.approx(2 / 3)
    assert found["width90"] == pytest.approx(2 * 1.645 * 0.1, rel=1e-3)
    assert np.isnan(found["spearman"])
    rising = Forecast.normal(np.array([0.0, 1.0, 2.0]), 0.1)
    assert score(rising, np.array([1.0, 3.0, 20.0]))["spearman"] == pytest.approx(1.0)


def test_a_conformal_interval_reaches_as_far_as_nine_tenths_of_errors():
    forecast = Forecast.conformal(np.zeros(2), np.linspace(-1, 1, 99))
    # The ceil(100 * 0.9) = 90th of 99 absolute errors, two at each of 49 distances and one at 0.
    assert forecast.high[0] == pytest.approx(45 / 49) and forecast.low[0] == -forecast.high[0]
    few = Forecast.conformal(np.zeros(1), np.array([0.1, -0.3, 0.2]))
    assert few.high[0] == pytest.approx(0.3)


def test_ratios_to_the_gp_are_geometric_means_over_sets_that_have_both():
    def scores(mape):
        return {"mape": mape, "spearman": 1.0, "coverage90": 0.9, "crps_log": mape, "width90": 0.1}

    sets = [
        {"ours": scores(0.01), "gp": scores(0.02)},
        {"ours": scores(0.06), "gp": scores(0.03)},
        {"ours": scores(0.5)},
    ]
    found = pool(sets)["ours"]
    assert found["mape_ratio_to_gp"] == pytest.approx(1.0) and found["n_sets"] == 3
    assert found["mape_ratio_to_gp_ci"] == pytest.approx([0.5, 2.0])
    assert found["mape_median"] == pytest.approx(0.06)


def test_goals_are_told_from_the_figures_that_there_are():
    ours = {"coverage90": 0.9, "worst_coverage90": 0.78, "best_coverage90": 0.96,
            "mape_ratio_to_gp": 0.85}  # fmt: skip
    new = {
        name: {"8": {"ours": {"mape": mape}, "gp": {"mape": 0.1}}}
        for name, mape in (("a", 0.02), ("b", 0.08))
    }
    content = {
        "pooled": {"n": {"32": {"ours": ours}}, "leave_one_out": {}},
        "new_device": new | {"c": {"0": {"ours": {"mape": 1.0}}}},
        "speed": {"fit_128": {"seconds": 4.0}},
    }
    found = goals(content)
    missed = {goal for goal, one in found.items() if not one["reached"]}
    assert missed == {"coverage90 of the worst set", "mape over the gp's, moonshot",
                      "fit_128, seconds"}  # fmt: skip
    ratio = found["new device, mape over that of gp"]
    assert ratio["found"] == pytest.approx(0.4) and ratio["reached"]
    assert "median mape of a model left out" not in found


def test_a_set_is_fitted_to_some_cases_and_predicts_others_with_all_their_figures():
    one = timings(20)
    decode = LatencyTable(one.columns, {**one.labels, "figure": ("tpot_ms",) * len(one)})
    both = LatencyTable.concat([one, decode])
    groups = list(set_groups(tables(own={"card": both}), 2, sizes=(8, 64)))
    assert [group.parts[0].label for group in groups] == ["8", "8"]  # 80 cases: 40 are predicted
    chosen = []
    for group in groups:
        fitted = group.table.where(group.parts[0].train)
        assert group.device is None and len(fitted) == 16 and len(group.parts[0].test) == 80
        cases = [
            set(zip(figure["d_model"], figure["batch_size"], figure["prompt_tokens"], strict=True))
            for name in ("e2el_ms", "tpot_ms")
            for figure in [fitted.select(figure=name)]
        ]
        assert cases[0] == cases[1] and len(cases[0]) == 8
        chosen.append(cases[0])
    assert chosen[0] != chosen[1]


def test_models_of_one_shape_are_left_out_together():
    table = timings(4)
    names = list(table.labels["model"])
    twins = LatencyTable(
        table.columns, {**table.labels, "model": tuple(f"{n}-chat" for n in names)}
    )
    (group,) = left_out_groups(tables({"bench": LatencyTable.concat([table, twins])}))
    assert len(group.parts) == 4
    for part in group.parts:
        assert len(part.test) == 8 and part.label.count("+") == 1
        fitted, asked = (set(group.table["d_model"][rows]) for rows in (part.train, part.test))
        assert not fitted & asked


def test_a_twin_among_the_fitted_is_refused():
    table = timings(4)
    with pytest.raises(AssertionError, match="twin"):
        Group("leave_one_out", "x", table, (Part("m", 0, np.arange(4, 16), np.arange(4)),
                                            Part("n", 0, np.arange(1, 16), np.arange(1))))  # fmt: skip


def test_a_device_with_few_timings_is_helped_by_others_that_lack_the_model_too():
    few = timings(3, device="l4").where(np.arange(0, 12, 4))  # three models, a timing each
    more = timings(3, device="h100-sxm", slower=0.2)
    groups = list(left_out_groups(tables({"bench": LatencyTable.concat([few, more])})))
    helped = [group for group in groups if group.sources is not None]
    assert len(helped) == 3 and all("l4" in group.name for group in helped)
    for group in helped:
        assert not set(group.sources["d_model"]) & set(group.table["d_model"][group.parts[0].test])
        assert "l4" not in group.sources.labels["device"]


def test_a_new_device_never_stands_among_its_sources_and_every_count_predicts_the_same_rows():
    groups = list(new_device_groups(tables({"bench": three_devices()}), measured={0: 1, 8: 2}))
    assert len(groups) == 3
    for group in groups:
        assert group.table.labels["device"][0] not in group.sources.labels["device"]
        none, first, second = group.parts
        assert (none.label, first.label, len(none.train), len(first.train)) == ("0", "8", 0, 8)
        np.testing.assert_array_equal(none.test, first.test)
        assert not np.array_equal(first.train, second.train)
    h100 = next(group for group in groups if "h100" in group.name)
    ratio = h100.known["l4/torch"] - np.log(h100.table["latency_ms"])
    np.testing.assert_allclose(ratio, np.log(5.0), atol=1e-9)


def test_held_out_devices_are_scored_with_our_devices_as_sources():
    ours = three_devices()
    theirs = LatencyTable.concat([timings(device="h200"), timings(device="l4", seed=5)])
    groups = list(new_device_groups(tables({"bench": ours}), tables({"bench": theirs})))
    assert [group.name for group in groups] == ["bench/h200/torch"]  # an l4 is not new
    assert set(groups[0].sources.labels["device"]) == {"h100-sxm", "a100-80gb", "l4"}
    groups = list(left_out_groups(tables({"bench": ours}), tables({"bench": theirs})))
    assert {group.name for group in groups} == {"bench/h200/torch", "bench/l4/torch"}


def test_another_scale_of_a_device_lends_where_the_scale_was_never_measured():
    small, large = three_devices(), timings(30, device="h200", seed=3)
    groups = list(
        new_device_groups(tables(hw_gpt={"s": small}), tables(hw_gpt={"m": large}), {8: 1})
    )
    assert [group.name for group in groups] == ["hw_gpt_bench/m/h200"]
    assert len(groups[0].sources) == len(small)


@pytest.mark.parametrize(
    "method", [baselines.gp, baselines.gp_log_flops, baselines.random_forest,
               baselines.gradient_boosting, baselines.linear_flops, rooflines.roofline,
               rooflines.roofline_calibrated]
)  # fmt: skip
def test_every_baseline_orders_latencies_and_holds_most(method):
    table = timings(30, noise=0.02)
    order = np.random.default_rng(1).permutation(len(table))
    forecast = method(table.where(order[:60]), table.where(order[60:]), DEVICES["h100-sxm"])
    found = score(forecast, table["latency_ms"][order[60:]])
    assert found["spearman"] > 0.7
    assert 0.75 <= found["coverage90"]
    assert found["crps_log"] < 0.4


def test_a_calibrated_roofline_recovers_a_roofline():
    table = timings(20)
    order = np.random.default_rng(2).permutation(len(table))
    forecast = rooflines.roofline_calibrated(table.where(order[:8]), table.where(order[8:]), None)
    assert score(forecast, table["latency_ms"][order[8:]])["mape"] < 0.005
    fixed = rooflines.roofline(table.where(order[:8]), table.where(order[8:]), DEVICES["h100-sxm"])
    assert score(fixed, table["latency_ms"][order[8:]])["mape"] > 0.02


def test_the_nearest_device_is_the_proportional_one_however_far():
    new = timings(10)
    logs = {
        "far/torch": np.log(new["latency_ms"]) + 3.0,
        "near/torch": np.log(new["latency_ms"]) + 0.2 * np.sin(np.arange(len(new))),
        "other/vLLM": np.log(new["latency_ms"]),
    }
    neighbours = Neighbours.of(new, three_devices(), logs)
    assert set(neighbours.logs) == {"far/torch", "near/torch"}  # the same engine goes first
    forecast = neighbours.rescaled(new, np.arange(8), np.arange(8, 40))
    assert score(forecast, new["latency_ms"][8:])["mape"] < 1e-6


def test_cases_that_a_neighbour_lacks_are_filled_from_its_other_timings():
    groups = new_device_groups(tables({"bench": three_devices()}), measured={8: 1})
    group = next(group for group in groups if "h100" in group.name)
    known = {name: values.copy() for name, values in group.known.items()}
    known["l4/torch"][::5] = np.nan
    filled = Neighbours.of(group.table, group.sources, known).logs["l4/torch"]
    np.testing.assert_allclose(filled, group.known["l4/torch"], atol=0.1)


def test_a_cell_is_made_once_and_again_when_rows_or_source_change(tmp_path, monkeypatch):
    (group,) = left_out_groups(tables({"bench": timings(4)}))
    path = fill_cell(group, "linear_flops", cell_path(tmp_path, group, "linear_flops"))
    before = path.stat().st_mtime_ns
    assert fill_cell(group, "linear_flops", path).stat().st_mtime_ns == before
    assert len(pd.read_json(path)) == 4
    fewer = replace(group, parts=group.parts[:2])
    assert cell_path(tmp_path, fewer, "linear_flops") != path
    monkeypatch.setattr(cells, "code_hash", lambda method: "another")
    assert cell_path(tmp_path, group, "linear_flops") != path


def test_our_cells_depend_on_every_module_that_a_fit_loads():
    names = {path.stem for path in cells._imported(cells._MODEL, ("surrogate", "devices"))}
    assert {"surrogate", "process", "noise", "chains", "features", "hierarchy"} <= names
    assert cells.code_hash("ours") != cells.code_hash("gp") == cells.code_hash("roofline")


def test_ours_is_forecast_from_timings_and_from_none():
    measured = {0: 1, 4: 1}
    two = LatencyTable.concat([timings(3), timings(3, device="l4", slower=5.0)])
    groups = new_device_groups(tables({"bench": two}), measured=measured)
    group = next(group for group in groups if "l4" in group.name)
    assert methods_of(group)[0] == "ours"
    found = {
        part.label: score(forecast, group.table["latency_ms"][part.test])
        for part, forecast in forecasts("ours", group)
    }
    assert set(found) == {"0", "4"}
    assert found["4"]["mape"] < 0.1 and found["4"]["mape"] < found["0"]["mape"]
    assert found["0"]["width90"] > found["4"]["width90"]
    assert {part.label for part, _ in forecasts("gp", group)} == {"4"}
    assert {part.label for part, _ in forecasts("roofline", group)} == {"0", "4"}


def test_our_own_table_is_two_figures_a_case_without_anchors_or_what_did_not_fit(tmp_path):
    shape = {"n_layers": 2, "d_model": 64, "n_heads": 4, "n_kv_heads": 2, "head_dim": 16,
             "d_ff": 128, "vocab_size": 256, "gated_mlp": True, "qk_norm": False,
             "post_norm": False}  # fmt: skip
    load = {"batch_size": 2, "prompt_tokens": 8, "output_tokens": 4, "precision": "bfloat16",
            "engine": "torch", "engine_version": "torch 2.13", "device": "h200", "session": "a",
            "ttft_ms": 2.0, "tpot_ms": 1.0, "ttft_iqr_ms": 0.1, "tpot_iqr_ms": 0.1,
            "n_repeats": 30}  # fmt: skip
    rows = [
        {**shape, **load, "is_anchor": anchor, "out_of_memory": full, "d_ff": 128 * (i + 1)}
        for i, (anchor, full) in enumerate([(False, False), (True, False), (False, True)])
    ]
    folder = tmp_path / "h200"
    folder.mkdir()
    pd.DataFrame(rows).to_parquet(folder / "latency.parquet")
    table = read_own(folder / "latency.parquet")
    assert table.labels["figure"] == ("ttft_ms", "tpot_ms")
    assert table["latency_ms"].tolist() == [2.0, 1.0]
    assert read_tables(tmp_path, own=tmp_path).own["h200"].fingerprint == table.fingerprint


@pytest.mark.skipif(not DATA.exists(), reason=f"the public tables are not at {DATA}")
def test_the_public_tables_give_every_kind_of_group():
    found = read_tables(DATA)
    assert {g.name.split("/")[0] for g in set_groups(found, 1)} == {"hw_gpt_bench"}
    left_out = {g.name.split("/")[0] for g in left_out_groups(found)}
    assert left_out == {"xlstm_scaling", "llm_inference_bench", "neusight"}
    twins = [p.label for g in left_out_groups(found) for p in g.parts if "+" in p.label]
    assert twins == ["huggyllama/llama-7b+meta-llama/Llama-2-7b-hf"]
