import json
import sys
from dataclasses import fields

import pandas as pd
import pytest
import torch
from benchmarks.gpu.latency_shapes import MAX_HEAD_DIM, OTHERS, P1_MANNER, P2, P2_SWEEP
from benchmarks.gpu.latency_space import (
    MEMORY_LIMIT_BYTES,
    anchor,
    blocks,
    estimate_seconds,
    smoke_blocks,
)
from benchmarks.gpu.latency_table import write_latency_table
from benchmarks.gpu.measure_space import LINES, measure, read_lines

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.inference import timing
from bayeslaw.lab.machine import device_name
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture

PUBLISHED = {  # the numbers of weights on the models' pages
    "LLaMA-3.1-8B": 8_030_261_248,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-1.7B": 1_720_574_976,
    "Qwen3-4B": 4_022_468_096,
    "Qwen3-8B": 8_190_735_360,
    "Gemma-2-2B": 2_614_341_888,
    "Gemma-3-1B": 999_885_952,
    "Gemma-3-4B": 3_880_263_168,  # its language model
}


@pytest.mark.parametrize("name", OTHERS)
def test_published_networks_have_the_published_number_of_weights(name):
    assert OTHERS[name].n_params == PUBLISHED[name]


def test_p2s_rule_gives_its_printed_widths():
    assert P2["Morph-1B"].d_ff == 8192
    assert P2_SWEEP["P2 7B 32x4096"].n_params == 6_738_415_616  # Llama-2-7B
    assert {a.gqa_group for a in P2_SWEEP.values()} == {1}


def test_sweeps_in_p1s_manner_hold_the_size_and_vary_the_shape():
    for size, n in (("80M", 80e6), ("145M", 145e6), ("297M", 297e6), ("1B", 0.97e9)):
        found = [a for name, a in P1_MANNER.items() if f" {size} " in name]
        assert all(a.n_params_body == pytest.approx(n, rel=0.03) for a in found)
        ratios = sorted(a.mlp_attention_ratio for a in found)
        assert ratios[0] < 0.6 and ratios[-1] > 4
    for name, a in P1_MANNER.items():
        assert a.gqa_group == int(name.rpartition(" ")[2])


@pytest.fixture(scope="module")
def plan():
    return blocks()


def all_of(plan):
    return [case for block in plan for case in block]


def test_the_plan_is_the_same_every_time_and_has_no_case_twice(plan):
    assert plan == blocks()
    cases = {(case.architecture, case.workload) for case in all_of(plan)}
    assert len(cases) == len(all_of(plan))
    assert (anchor().architecture, anchor().workload) in cases
    assert len({case.architecture for case in all_of(plan)}) >= 240


def test_the_plan_spreads_over_every_axis(plan):
    spread = [case for case in all_of(plan) if case.family == "spread"]
    a, w = [case.architecture for case in spread], [case.workload for case in spread]
    assert min(x.d_model for x in a) <= 384 and max(x.d_model for x in a) >= 3072
    assert min(x.n_layers for x in a) <= 6 and max(x.n_layers for x in a) >= 32
    assert {x.head_dim for x in a} == {64, 80, 96, 128, 192, 256}
    assert {x.gqa_group for x in a} == {1, 2, 4, 8, 16}
    assert min(x.n_kv_heads for x in a) == 1 and max(x.n_kv_heads for x in a) >= 16
    assert min(x.d_ff / x.d_model for x in a) < 1.3 and max(x.d_ff / x.d_model for x in a) > 6
    assert min(x.batch_size for x in w) == 1 and max(x.batch_size for x in w) >= 48
    assert min(x.prompt_tokens for x in w) <= 160 and max(x.prompt_tokens for x in w) >= 6000
    # Large batches of long prompts are there, on networks small enough to be timed in seconds.
    assert max(x.batch_size * x.prompt_tokens for x in w) > 50_000


def test_all_cases_can_run_and_only_those_meant_to_are_too_large(plan):
    for case in all_of(plan):
        assert case.architecture.head_dim % 8 == 0 and case.architecture.head_dim <= MAX_HEAD_DIM
        needed = case.workload.memory_bytes(case.architecture)
        if case.family == "too large":
            assert needed > 200e9
        else:
            assert needed < MEMORY_LIMIT_BYTES
            assert estimate_seconds(case) < 8


def test_two_hundred_architectures_fit_the_time_and_a_cut_leaves_a_mixture(plan):
    seconds, met = 0.0, []
    for number, block in enumerate(plan):
        seconds += 2 * estimate_seconds(anchor()) if number % 2 == 0 else 0.0
        for case in block:
            if seconds < 0.9 * 450:
                met.append(case)
                seconds += estimate_seconds(case) if case.family != "too large" else 1.0
    assert len({case.architecture for case in met}) >= 200
    sizes = [sum(case.family == "spread" for case in block) for block in plan[:-1]]
    assert max(sizes) - min(sizes) <= 1
    for block in plan[:-1]:
        assert len({case.family for case in block}) >= 3


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    with pytest.MonkeyPatch.context() as patch:  # a second a figure is for figures that are used
        patch.setitem(timing.ENOUGH_SECONDS, "cpu", 0.05)
        patch.setitem(timing.WARM_UP_SECONDS, "cpu", 0.1)
        return folder, measure(folder, seconds=100, smoke=True)


def test_the_whole_command_runs_on_a_cpu(measured):
    folder, summary = measured
    assert summary["not_reached"] == []
    assert summary["n_reached"] == summary["n_planned"] == 4
    assert summary["n_out_of_memory"] == 1
    assert summary["n_architectures_timed"] == 3
    assert json.loads((folder / "latency.json").read_text()) == summary
    assert len(read_lines(folder / LINES)) == summary["n_lines"]


def test_a_second_call_measures_no_case_again(measured):
    folder, before = measured
    again = measure(folder, seconds=100, smoke=True)
    assert again["n_reached"] == 4
    assert again["n_lines"] == before["n_lines"] == 5


def test_the_anchor_is_timed_at_both_ends_of_its_block(measured):
    folder, summary = measured
    lines = read_lines(folder / LINES)
    assert [m.record.get("anchor") for m in lines] == [1, None, 2, None, None]
    assert lines[0].architecture == lines[2].architecture == smoke_blocks()[0][0].architecture
    assert summary["anchor"]["tpot_ms"] == [lines[0].tpot_ms, lines[2].tpot_ms]


def test_a_case_that_fails_is_named_and_costs_the_others_nothing(tmp_path, monkeypatch):
    broken = smoke_blocks()[0][1]

    def some_time(architecture, workload, **options):
        if architecture == broken.architecture:
            raise RuntimeError("no such kernel")
        return Measurement(architecture, workload, options_device, version, 1.0, 1.0, 0.0, 0.0, 30)

    options_device, version = device_name("cpu", 1), f"torch {torch.__version__}"
    module = sys.modules["bayeslaw.lab.inference.time_cases"]  # its package names the function so
    monkeypatch.setattr(module, "time_architecture", some_time)
    summary = measure(tmp_path, seconds=100, smoke=True)
    assert summary["failed"] == [["spread", broken.name, "RuntimeError: no such kernel"]]
    assert summary["not_reached"] == [["spread", broken.name, 2, 16]]
    assert summary["n_reached"] == 3


def test_no_time_means_nothing_measured_and_all_named(tmp_path):
    summary = measure(tmp_path, seconds=0, smoke=True)
    assert summary["n_reached"] == 0
    assert len(summary["not_reached"]) == 4


def test_the_table_holds_every_line_and_gives_the_shapes_back(measured, tmp_path):
    folder, _ = measured
    path = tmp_path / "device" / "latency.parquet"
    n_rows = write_latency_table(folder / LINES, path)
    table = pd.read_parquet(path)
    lines = read_lines(folder / LINES)
    assert n_rows == len(table) == len(lines)
    known = [field.name for field in fields(Architecture)]
    for (_, row), line in zip(table.iterrows(), lines, strict=True):
        assert Architecture.from_numbers(row[known]) == line.architecture
        assert row["batch_size"] == line.workload.batch_size
        assert row["out_of_memory"] == line.out_of_memory
        assert pd.isna(row["tpot_ms"]) == line.out_of_memory
        if not line.out_of_memory:
            assert row["tpot_ms"] == line.tpot_ms
            assert row["tpot_p10_ms"] <= row["tpot_p50_ms"] <= row["tpot_p90_ms"]
        assert row["session"] and row["device"] == line.device
    assert set(table["family"]) == {"spread", "too large"}
    assert table["torch"].notna().all()
    assert table["is_anchor"].tolist() == [True, False, True, False, False]
    assert "machine" not in json.loads(table["record"][0])


def test_a_line_that_is_no_measurement_is_named(tmp_path):
    path = tmp_path / "latency.jsonl"
    path.write_text('{"architecture"')
    with pytest.raises(InvalidInputError, match="line 1 is not a measurement"):
        read_lines(path)


def test_smoke_blocks_are_tiny():
    fitting = [case for case in all_of(smoke_blocks()) if case.family != "too large"]
    assert all(case.architecture.n_params < 200_000 for case in fitting)
