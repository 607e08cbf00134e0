from dataclasses import replace

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.runs.latency import LATENCY_COLUMNS, check_floor, physical_floor_ms
from bayeslaw.runs.latency.checks import check_one_unit
from bayeslaw.runs.latency.files import read_latency_table, write_latency_table
from bayeslaw.space import DEVICES, Architecture, Device, Workload, decode_work, prefill_work

SMALL = Architecture(2, 64, 4, 2, 16, 128, 256)
LARGE = Architecture(28, 3584, 28, 4, 128, 18944, 152064)
LOAD = Workload(2, 30, 11, "bfloat16", "bayeslaw", "h200")


def measured(architecture=SMALL, ttft_ms=5.0, tpot_ms=1.0, **kwargs):
    given = {
        "device": "h200", "engine_version": "torch 2", "ttft_iqr_ms": 0.5, "tpot_iqr_ms": 0.0,
        "n_repeats": 30, "session": "monday", **kwargs,
    }  # fmt: skip
    return Measurement(
        architecture, given.pop("workload", LOAD), ttft_ms=ttft_ms, tpot_ms=tpot_ms, **given
    )


def table_of(latency_ms, **columns):
    """One shape and load, a row a latency."""
    ask = LatencyTable.ask([SMALL] * len(latency_ms), LOAD, "tpot_ms")
    return LatencyTable.from_columns(
        {**ask.columns, "latency_ms": np.array(latency_ms, float), **columns}, ask.labels
    )


def test_a_measurement_is_a_row_of_ttft_and_one_of_tpot():
    table = LatencyTable.from_measurements([measured(), measured(LARGE, 9.0, 3.0)])
    assert table.labels["figure"] == ("ttft_ms", "tpot_ms") * 2
    assert table["latency_ms"].tolist() == [5.0, 1.0, 9.0, 3.0]
    assert table["prefill_passes"].tolist() == [1, 0, 1, 0]
    assert table["decode_passes"].tolist() == [0, 1, 0, 1]
    assert table["repeat_sd"][:2] == pytest.approx([0.1 / 1.349, 0.0], rel=1e-3)
    assert table.row(1)["session"] == "monday" and table.labels["engine_version"][0] == "torch 2"
    assert np.isnan(table["memory_bytes"]).all() and not table.is_query and table.extras == ()


def test_work_is_that_of_one_pass_at_the_mean_context():
    row = LatencyTable.ask([LARGE], LOAD, "e2el_ms").row(0)
    prefill, decode = prefill_work(LARGE, 2, 30, 2), decode_work(LARGE, 2, 35.5, 2)
    for kind in ("gemm_flops", "attention_flops", "weight_bytes", "cache_bytes", "score_bytes"):
        assert row[f"prefill_{kind}"] == getattr(prefill, kind)
        assert row[f"decode_{kind}"] == getattr(decode, kind)
    assert (row["prefill_passes"], row["decode_passes"]) == (1, 10)
    forward = LatencyTable.ask([LARGE], LOAD, "forward_ms").row(0)
    every = prefill_work(LARGE, 2, 30, 2, all_logits=True)
    assert forward["prefill_gemm_flops"] == every.gemm_flops
    assert (forward["decode_passes"], forward["output_tokens"]) == (0, 1)


def test_every_registered_column_but_the_extras_is_there():
    table = LatencyTable.from_measurements([measured()])
    extras = {"bias", "is_recurrent", "is_train", "request_rate", "is_saturated"}
    extras |= {"cuda_graph", "compiled", "threads"}
    assert set(table.columns) == set(LATENCY_COLUMNS) - extras


def test_out_of_memory_is_kept_without_a_latency():
    gone = Measurement.infeasible(LARGE, LOAD, "h200", "torch 2", record={})
    table = LatencyTable.from_measurements([measured(), gone])
    assert table["out_of_memory"].tolist() == [0, 0, 1, 1]
    assert np.isnan(table["latency_ms"]).tolist() == [False, False, True, True]
    assert table["n_repeats"].tolist() == [30, 30, 0, 0]


def test_circumstances_that_differ_become_features():
    graph = measured(record={"cuda_graph": True, "threads": 1})
    eager = measured(tpot_ms=4.0, record={"cuda_graph": False, "threads": 1})
    table = LatencyTable.from_measurements([graph, eager])
    assert table.extras == ("cuda_graph",)
    assert table["cuda_graph"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("latency_ms", 0.0, "row 1 .*column 'latency_ms': 0 must be finite and positive"),
        ("latency_ms", -3.0, "'latency_ms': -3 must"),
        ("latency_ms", np.nan, "'latency_ms': nan must"),
        ("latency_ms", np.inf, "'latency_ms': inf must"),
        ("batch_size", 0.0, "'batch_size': 0 must be finite and at least 1"),
        ("d_model", np.nan, "'d_model': nan must"),
        ("out_of_memory", 0.5, "'out_of_memory': 0.5 must be 0 or 1"),
        ("repeat_sd", -0.1, "'repeat_sd': -0.1 must be not negative"),
        ("n_repeats", 0.0, "'n_repeats': 0 must be at least 1"),
        ("decode_weight_bytes", np.nan, "'decode_weight_bytes': nan must"),
        ("bias", 2.0, "'bias': 2 must be 0 or 1"),
        ("my_feature", np.inf, "'my_feature': inf must be a finite number"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_by_row_and_column(column, value, message):
    good = table_of([1.0, 1.0, 1.0], bias=0.0, my_feature=0.0)
    values = good[column].copy()
    values[1] = value
    with pytest.raises(InvalidInputError, match=message):
        LatencyTable({**good.columns, column: values}, good.labels)


def test_a_latency_beside_out_of_memory_is_refused():
    good = table_of([1.0, 1.0])
    with pytest.raises(InvalidInputError, match="NaN where out_of_memory is 1"):
        LatencyTable({**good.columns, "out_of_memory": np.array([0.0, 1.0])}, good.labels)


def test_columns_and_labels_are_aligned_and_known():
    good = table_of([1.0, 1.0])
    with pytest.raises(InvalidInputError, match=r"column 'bias' has shape \(3,\)"):
        LatencyTable({**good.columns, "bias": np.zeros(3)}, good.labels)
    with pytest.raises(InvalidInputError, match="row 1, label 'figure': 'latency' is none of"):
        LatencyTable(good.columns, {**good.labels, "figure": ("tpot_ms", "latency")})
    with pytest.raises(InvalidInputError, match="label 'device' is empty"):
        LatencyTable(good.columns, {**good.labels, "device": ("h200", "")})
    with pytest.raises(InvalidInputError, match="label 'precision': 'fp32' is none of"):
        LatencyTable(good.columns, {**good.labels, "precision": ("fp32", "fp32")})
    lacking = {name: values for name, values in good.columns.items() if name != "d_ff"}
    with pytest.raises(InvalidInputError, match=r"lacks column\(s\) \['d_ff'\]"):
        LatencyTable(lacking, good.labels)


def test_two_devices_under_one_name_are_refused_and_named():
    assert len(table_of([1.0, 1.9, 1.4])) == 3
    with pytest.raises(InvalidInputError, match=r"two devices under one name\? row 2 .*and row 0"):
        table_of([1.0, 1.5, 2.1])
    sessions = [measured(session="monday"), measured(tpot_ms=2.5, session="tuesday")]
    with pytest.raises(InvalidInputError, match="two devices"):
        LatencyTable.from_measurements(sessions)
    named = [measured(), measured(tpot_ms=2.5, device="h200-power-capped")]
    assert len(LatencyTable.from_measurements(named)) == 4
    halves = [LatencyTable.from_measurements([m]) for m in sessions]
    with pytest.raises(InvalidInputError, match="two devices"):
        LatencyTable.concat(halves)


def test_a_busy_cpu_is_still_one_device():
    def on_cpu(tpot_ms, session):
        return measured(tpot_ms=tpot_ms, session=session, device="AMD EPYC, 1 thread")

    quiet = on_cpu(1.0, "quiet")
    assert len(LatencyTable.from_measurements([quiet, on_cpu(3.0, "busy")])) == 4
    for far in (on_cpu(9.0, "busy"), on_cpu(2.5, "quiet"), on_cpu(2.5, "")):
        with pytest.raises(InvalidInputError, match="two devices"):
            LatencyTable.from_measurements([quiet, far])


def test_two_units_in_one_column_are_refused():
    shapes = [replace(SMALL, n_layers=n, d_model=64 * n) for n in range(2, 26)]
    asked = LatencyTable.ask(shapes, LOAD, "tpot_ms")
    latency = 0.02 * asked["n_layers"] + asked["decode_weight_bytes"] / 1e9
    good = LatencyTable.from_columns({**asked.columns, "latency_ms": latency}, asked.labels)
    check_one_unit(good.columns, good.labels)
    mixed = np.where(np.arange(24) % 3 == 0, latency / 1e3, latency)
    bad = LatencyTable.from_columns({**asked.columns, "latency_ms": mixed}, asked.labels)
    with pytest.raises(InvalidInputError, match=r"two units in one column\?.*1000 times apart"):
        check_one_unit(bad.columns, bad.labels)


def test_rows_are_chosen_by_mask_index_and_word():
    table = LatencyTable.from_measurements([measured(), measured(device="h100-sxm", ttft_ms=7.0)])
    assert table.where(table["latency_ms"] > 4)["latency_ms"].tolist() == [5.0, 7.0]
    assert table.where(np.array([3, 0])).labels["device"] == ("h100-sxm", "h200")
    assert table.select(device="h100-sxm", figure="ttft_ms")["latency_ms"].tolist() == [7.0]
    with pytest.raises(InvalidInputError, match="no row has device 'l4'; there are"):
        table.select(device="l4")
    with pytest.raises(InvalidInputError, match="no rows"):
        table.where(np.zeros(4, bool))


def test_concat_fills_known_features_and_refuses_unknown_ones():
    static, queued = table_of([1.0]), table_of([1.0], request_rate=4.0)
    both = LatencyTable.concat([static, queued])
    assert both["request_rate"].tolist() == [0, 4]
    with pytest.raises(InvalidInputError, match="column 'my_feature' is missing"):
        LatencyTable.concat([static, table_of([1.0], my_feature=1.0)])
    with pytest.raises(InvalidInputError, match="asks"):
        LatencyTable.concat([static, LatencyTable.ask([SMALL], LOAD, "tpot_ms")])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_give_the_table_back_exactly(tmp_path, suffix):
    gone = Measurement.infeasible(LARGE, LOAD, "h200", "torch 2", record={})
    table = LatencyTable.from_measurements([measured(tpot_ms=1 / 3), gone])
    write_latency_table(table, tmp_path / f"t{suffix}")
    again = read_latency_table(tmp_path / f"t{suffix}")
    assert again.fingerprint == table.fingerprint and again.labels == table.labels


def test_the_fingerprint_is_of_values_and_labels():
    prints = {
        table_of([1.0]).fingerprint,
        table_of([1.1]).fingerprint,
        LatencyTable.from_measurements([measured()]).fingerprint,
        LatencyTable.from_measurements([measured(device="h100-sxm")]).fingerprint,
    }
    assert len(prints) == 4 and table_of([1.0]).fingerprint in prints


def test_a_question_has_no_latency_and_asks_as_a_table_measured():
    asked = LatencyTable.ask([SMALL, LARGE], [LOAD, replace(LOAD, batch_size=4)], "tpot_ms")
    assert asked.is_query and "latency_ms" not in asked
    with pytest.raises(InvalidInputError, match="it asks"):
        asked["latency_ms"]
    columns = {
        name: np.array([getattr(a, name) for a in (SMALL, LARGE)]) for name in SMALL.to_dict()
    }
    by_columns = LatencyTable.ask_columns(columns, LOAD, "tpot_ms", engine_version="v")
    one_load = LatencyTable.ask([SMALL, LARGE], LOAD, "tpot_ms", engine_version="v")
    for name in one_load:
        assert np.array_equal(by_columns[name], one_load[name]), name
    with pytest.raises(InvalidInputError, match="3 workloads for 2"):
        LatencyTable.ask([SMALL, LARGE], [LOAD] * 3, "tpot_ms")


def test_the_floor_is_arithmetic_or_bandwidth_whichever_is_longer():
    device = Device("toy", {"bfloat16": 1e12}, 1e11, 1e9)
    prefill, decode = prefill_work(LARGE, 2, 30, 2), decode_work(LARGE, 2, 35.5, 2)
    asked = LatencyTable.ask([LARGE], LOAD, "e2el_ms")
    one = max(prefill.flops / 1e12, prefill.bytes / 1e11)
    step = max(decode.flops / 1e12, decode.bytes / 1e11)
    assert physical_floor_ms(asked, device) == pytest.approx([1e3 * (one + 10 * step)])
    parallel = LatencyTable.ask([LARGE], LOAD, "e2el_ms", n_devices=4)
    assert physical_floor_ms(parallel, device) * 4 == pytest.approx(
        physical_floor_ms(asked, device)
    )


def test_what_fits_the_cache_need_not_be_read():
    small = LatencyTable.ask([SMALL], LOAD, "tpot_ms")
    device = Device("toy", {"bfloat16": 1e15}, 1e9, 1e9)
    work = decode_work(SMALL, 2, 35.5, 2)
    assert physical_floor_ms(small, device) == pytest.approx([1e3 * work.bytes / 1e9])
    cached = physical_floor_ms(small, device, cache_bytes=1e9)
    assert cached == pytest.approx([1e3 * work.flops / 1e15])


def test_a_row_below_the_floor_is_refused_with_the_arithmetic():
    load = Workload(1, 2048, 2048, "float16", "TensorRT-LLM", "h100-sxm")
    asked = LatencyTable.ask([LARGE], load, "e2el_ms")
    fast = LatencyTable.from_columns({**asked.columns, "latency_ms": [80.0]}, asked.labels)
    with pytest.raises(
        InvalidInputError,
        match=r"2,047 steps x 1.43e\+10 byte / 3.35e\+12 byte/s = 8.78 s > 0.08 s",
    ):
        check_floor(fast, DEVICES["h100-sxm"])
    slow = LatencyTable.from_columns({**asked.columns, "latency_ms": [8500.0]}, asked.labels)
    check_floor(slow, DEVICES["h100-sxm"])  # 0.96 of the floor: within what a datasheet rounds
    with pytest.raises(InvalidInputError, match="no peak for 'float16'"):
        check_floor(slow, DEVICES["p4"])


def test_every_device_s_ceilings_are_ordered():
    for device in DEVICES.values():
        peaks = [
            device.peak_flops[p] for p in ("float32", "float16", "float8") if p in device.peak_flops
        ]
        assert peaks == sorted(peaks), device
        assert device.cache_bytes is None or device.cache_bytes < device.memory_bytes
