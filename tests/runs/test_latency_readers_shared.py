"""Every reader on the public table it was written for, where that is at hand."""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.readers import (
    read_hw_gpt_bench,
    read_llm_inference_bench,
    read_neusight,
    read_xlstm_inference,
)

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))


def shared(name):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in {DATA} (set BAYESLAW_DATA)")
    return DATA / name


def test_llm_inference_bench_has_impossible_rows_of_one_cause():
    folder = shared("llm_inference_bench")
    with pytest.raises(InvalidInputError, match="20 of 1782 rows are faster"):
        read_llm_inference_bench(folder)
    table = read_llm_inference_bench(folder, skip_impossible=True)
    assert len(table) == 1762
    reasons = [note for note in table.notes if note.startswith("row ")]
    # Five models whose context ends at 2048, asked for 2048 + 2048 tokens.
    assert len(reasons) == 20
    assert all("gh200-96gb, vLLM" in r and "2048 + 2048 tokens" in r for r in reasons)
    assert any("212 of 1994 rows without a shape" in note for note in table.notes)


@pytest.mark.parametrize(("scale", "batch"), [("s", 8), ("l", 1)])
def test_hw_gpt_bench_counts_the_source_s_own_flops_in_seconds(scale, batch):
    folder = shared("hw_gpt_bench")
    started = time.perf_counter()
    table = read_hw_gpt_bench(folder, scale)
    assert time.perf_counter() - started < 5
    assert len(table) == 80_000 and set(table["batch_size"]) == {batch}
    said = pd.read_parquet(folder / f"arch_{scale}.parquet").set_index("arch_id")["flops"]
    gemm = table.select(device="a6000")
    ratio = gemm["prefill_gemm_flops"] / said.loc[list(gemm.labels["model"])].to_numpy()
    assert np.abs(ratio - 1).max() < 1e-3  # theirs leave attention out
    # Faster than a V100 multiplies float32, slower than it multiplies float16.
    pace = table["prefill_gemm_flops"] / table["latency_ms"] * 1e3
    fastest = pace[np.array(table.labels["device"]) == "v100-sxm2"].max()
    assert 15.7e12 < fastest < 125e12


def test_xlstm_inference_keeps_what_ran_out_of_memory():
    table = read_xlstm_inference(shared("xlstm_scaling/inference_h100.csv"))
    assert len(table) == 2080
    assert table.select(figure="tpot_ms")["out_of_memory"].sum() == 421
    assert table.select(figure="ttft_ms")["out_of_memory"].sum() == 411
    assert set(table["is_recurrent"]) == {0, 1}
    # A recurrent step does not grow with the context, in work as in time.
    steps = table.select(figure="tpot_ms", model="xlstm_1.4b")
    one = steps.where((steps["batch_size"] == 1) & (steps["out_of_memory"] == 0))
    assert len(set(one["decode_cache_bytes"])) == 1
    assert one["latency_ms"].max() / one["latency_ms"].min() < 1.05


def test_neusight_leaves_out_eleven_of_84_rows_and_none_is_impossible():
    table = read_neusight(shared("neusight_e2e/latency.csv"))
    assert len(table) == 73
    assert [note[: note.index(" left")] for note in table.notes] == [
        "8 of 84 rows without a shape",
        "3 of 84 rows on several devices",
    ]
    assert table["is_train"].sum() > 0
