"""Every reader on small files of the format, with round numbers of our own."""

import json

import numpy as np
import pandas as pd
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.readers import (
    read_hw_gpt_bench,
    read_latency_csv,
    read_llm_inference_bench,
    read_neusight,
    read_vllm_latency,
    read_vllm_serve,
    read_xlstm_inference,
)
from bayeslaw.space import Architecture, Workload, decode_work, prefill_work

SMALL = Architecture(2, 64, 4, 2, 16, 128, 256)
LARGE = Architecture(32, 4096, 32, 8, 128, 14336, 32000)
LOAD = Workload(2, 100, 50, "bfloat16", "vllm", "h100-sxm")


def as_json(path, content):
    path.write_text(json.dumps(content))
    return path


# --- vLLM -------------------------------------------------------------------------------------


def test_vllm_latency_is_seconds_of_a_static_batch(tmp_path):
    seconds = [0.2, 0.25, 0.24, 0.26, 0.3]
    path = as_json(tmp_path / "l.json", {"avg_latency": 0.25, "latencies": seconds})
    row = read_vllm_latency(path, SMALL, LOAD, engine_version="0.11", model="tiny").row(0)
    assert (row["figure"], row["engine"], row["model"]) == ("e2el_ms", "vllm", "tiny")
    assert row["latency_ms"] == 250.0 and row["n_repeats"] == 5
    assert row["repeat_sd"] == pytest.approx(np.log(seconds).std(ddof=1))
    assert (row["batch_size"], row["decode_passes"]) == (2, 49)


def test_vllm_latency_in_milliseconds_contradicts_itself_or_the_other_file(tmp_path):
    path = as_json(tmp_path / "l.json", {"avg_latency": 250.0, "latencies": [0.25, 0.25]})
    with pytest.raises(InvalidInputError, match="are both in seconds"):
        read_vllm_latency(path, SMALL, LOAD)
    path = as_json(tmp_path / "s.json", {"completed": 3})
    with pytest.raises(InvalidInputError, match=r"lacks .*avg_latency.*read_vllm_serve"):
        read_vllm_latency(path, SMALL, LOAD)
    with pytest.raises(InvalidInputError, match="engine must be 'vllm'"):
        read_vllm_latency(path, SMALL, Workload())


def test_vllm_latency_below_the_floor_is_refused(tmp_path):
    path = as_json(tmp_path / "l.json", {"avg_latency": 0.01, "latencies": [0.01]})
    with pytest.raises(InvalidInputError, match=r"49 steps x .* byte / 3.35e\+12 byte/s"):
        read_vllm_latency(path, LARGE, LOAD)


SERVED = {
    "completed": 100, "failed": 0, "total_input_tokens": 20000, "total_output_tokens": 5000,
    "request_throughput": 4.0, "request_rate": 5.0, "std_ttft_ms": 10.0, "std_tpot_ms": 1.0,
    "mean_ttft_ms": 60.0, "median_ttft_ms": 50.0, "mean_tpot_ms": 11.0, "median_tpot_ms": 10.0,
    "mean_e2el_ms": 600.0, "median_e2el_ms": 580.0, "std_e2el_ms": 30.0,
}  # fmt: skip


def test_vllm_serve_is_another_engine_under_load(tmp_path):
    path = as_json(tmp_path / "s.json", SERVED)
    table = read_vllm_serve(path, SMALL, device="h100-sxm", precision="bfloat16")
    assert table.labels["figure"] == ("ttft_ms", "tpot_ms", "e2el_ms")
    assert set(table.labels["engine"]) == {"vllm-serve"}
    assert table["latency_ms"].tolist() == [50, 10, 580]
    assert set(table["request_rate"]) == {5.0} and set(table["is_saturated"]) == {0.0}
    assert set(table["prompt_tokens"]) == {200.0} and set(table["output_tokens"]) == {50.0}
    assert table["batch_size"] == pytest.approx(2.4)  # 4 a second for 0.6 s
    assert table["repeat_sd"][0] == pytest.approx(1 / 6, rel=0.02)


def test_vllm_serve_saturated_says_the_rate_it_served(tmp_path):
    content = {k: v for k, v in SERVED.items() if "e2el" not in k} | {"request_rate": "inf"}
    table = read_vllm_serve(
        as_json(tmp_path / "s.json", content), SMALL, device="h100-sxm", precision="bfloat16"
    )
    assert len(table) == 2
    assert set(table["request_rate"]) == {4.0} and set(table["is_saturated"]) == {1.0}
    failed = as_json(tmp_path / "f.json", SERVED | {"failed": 3})
    with pytest.raises(InvalidInputError, match="3 requests failed"):
        read_vllm_serve(failed, SMALL, device="h100-sxm", precision="bfloat16")


# --- LLM-Inference-Bench ----------------------------------------------------------------------


def bench_row(framework="vLLM", length=128, batch=1, seconds=2.0, shape=True, **changes):
    sequences = batch if framework != "llama.cpp" else 1
    return {
        "hardware": "Nvidia A100 GPU", "n_devices": 1, "framework": framework, "model": "m/7B",
        "input_output_len": length, "batch_size": batch, "latency_s": seconds,
        "throughput_tok_s": 2 * length * sequences / seconds,
        "hidden_size": 4096 if shape else None, "n_layers": 32 if shape else None,
        "n_heads": 32, "n_kv_heads": 8, "ffn_dim": 14336, "vocab": 32000, "gated_mlp": 1.0,
        "throughput_is_whole_batch": framework != "llama.cpp" or batch == 1, **changes,
    }  # fmt: skip


def bench(tmp_path, *rows):
    pd.DataFrame(rows).to_csv(tmp_path / "results.csv", index=False)
    return tmp_path


def test_llm_inference_bench_is_end_to_end_in_milliseconds(tmp_path):
    folder = bench(
        tmp_path,
        bench_row(),
        bench_row(batch=16, seconds=2.5, n_devices=2),
        bench_row(shape=False),
        bench_row(hardware="Quantum Card"),
    )
    table = read_llm_inference_bench(folder)
    assert table["latency_ms"].tolist() == [2000, 2500, 2000]
    assert set(table.labels["figure"]) == {"e2el_ms"} and table["n_devices"].tolist() == [1, 2, 1]
    assert table.labels["device"] == ("a100-40gb", "a100-40gb", "Quantum Card")
    assert table["decode_passes"].tolist() == [127] * 3
    assert table["decode_gemm_flops"][1] == decode_work(LARGE, 16, 192, 2).gemm_flops
    assert any("1 of 4 rows without a shape left out: m/7B" in note for note in table.notes)
    assert any("no floor is known for Quantum Card in float16" in note for note in table.notes)


def test_llama_cpp_s_batch_is_a_chunk_of_one_prompt(tmp_path):
    rows = [
        bench_row("llama.cpp", batch=1, seconds=4.0),
        bench_row("llama.cpp", batch=32, seconds=2.0),
        bench_row("llama.cpp", batch=64, length=32, seconds=2.0),
    ]
    table = read_llm_inference_bench(bench(tmp_path, *rows))
    assert table["batch_size"].tolist() == [1, 1, 1]
    assert table["prefill_passes"].tolist() == [128, 4, 1]
    whole = prefill_work(LARGE, 1, 128, 2)
    total = table["prefill_passes"] * table["prefill_gemm_flops"]
    assert total[:2] == pytest.approx([whole.gemm_flops] * 2)
    assert table["prefill_weight_bytes"][:2] == pytest.approx([whole.weight_bytes] * 2)


def test_impossible_rows_are_refused_or_counted_with_reasons(tmp_path):
    folder = bench(
        tmp_path,
        bench_row(),
        bench_row(length=2048, seconds=0.08),
        bench_row(batch=2, seconds=-1.0, throughput_tok_s=-512.0),
    )
    with pytest.raises(InvalidInputError, match=r"row 3: latency_ms is -1000.0"):
        read_llm_inference_bench(folder)
    folder = bench(tmp_path, bench_row(), bench_row(length=2048, seconds=0.08))
    with pytest.raises(InvalidInputError, match=r"1 of 2 rows are faster .*2,047 steps x 1.4"):
        read_llm_inference_bench(folder)
    table = read_llm_inference_bench(folder, skip_impossible=True)
    assert len(table) == 1 and table["prompt_tokens"].tolist() == [128]
    assert table.notes[0] == "1 of 2 rows are faster than their device can be and left out"
    assert "s > 0.08 s" in table.notes[1]


def test_a_throughput_that_contradicts_its_latency_is_refused(tmp_path):
    folder = bench(tmp_path, bench_row(), bench_row(batch=4, throughput_tok_s=128.0))
    with pytest.raises(InvalidInputError, match="line 3: 128 token/s over 2 s are not the 1024"):
        read_llm_inference_bench(folder)


# --- HW-GPT-Bench -----------------------------------------------------------------------------


def hw_gpt(folder, scale="s", ids=("s0", "s1"), medians=(10.0, 20.0)):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(
        {
            "arch_id": ids, "embed_dim": 768, "n_layer": [2, 3], "bias": [True, False],
            "n_head": ["4,12", "4,8,12"], "mlp_ratio": ["2,4", "2,3,4"],
        }
    ).to_parquet(folder / f"arch_{scale}.parquet")  # fmt: skip
    columns = {}
    for device, factor in (("v100", 1.0), ("cpu_x", 100.0)):
        columns[f"lat_med_ms__{device}"] = np.array(medians) * factor
        columns[f"lat_mean_ms__{device}"] = np.array(medians) * factor
        columns[f"lat_std_ms__{device}"] = np.array(medians) * factor / 100
        columns[f"n_rep__{device}"] = [10.0, 1.0]
    pd.DataFrame({"arch_id": ids, **columns}).to_parquet(folder / f"latency_{scale}.parquet")
    return folder


def test_hw_gpt_bench_sums_work_over_layers_that_differ(tmp_path):
    table = read_hw_gpt_bench(hw_gpt(tmp_path / "t"), "s")
    assert len(table) == 4 and table.extras == ("bias",)
    assert table.select(device="v100-sxm2")["latency_ms"].tolist() == [10, 20]
    cpu = table.select(device="cpu_x")
    assert set(cpu.labels["precision"]) == {"float32"} and cpu["bias"].tolist() == [1, 0]
    assert cpu["repeat_sd"].tolist() == pytest.approx([0.01, np.nan], nan_ok=True)
    layers = [(4, 2), (12, 4)]
    tokens, body = 8 * 1024, sum(4 * 768 * 64 * h + 3 * 768 * 768 * r for h, r in layers)
    head = 768 * 50254  # on every position
    assert cpu["prefill_gemm_flops"][0] == pytest.approx(2 * tokens * (body + head))
    gpu = table.select(device="v100-sxm2")
    assert set(gpu.labels["precision"]) == {"float16"}
    norms = (2 * 2 + 1) * 768
    assert gpu["prefill_weight_bytes"][0] == pytest.approx(8 * (body + head + norms))
    assert cpu["prefill_weight_bytes"][0] == pytest.approx(4 * (body + head + norms))


def test_hw_gpt_bench_takes_architectures_from_another_folder(tmp_path):
    known, held_out = hw_gpt(tmp_path / "known"), hw_gpt(tmp_path / "held")
    (held_out / "arch_s.parquet").unlink()
    (held_out / "latency_s.parquet").rename(held_out / "latency_s_gpu.parquet")
    with pytest.raises(InvalidInputError, match="architectures_from"):
        read_hw_gpt_bench(held_out, "s")
    assert len(read_hw_gpt_bench(held_out, "s", architectures_from=known)) == 4
    hw_gpt(tmp_path / "other", ids=("s7", "s8"))
    with pytest.raises(InvalidInputError, match="2 architectures that no arch_s"):
        read_hw_gpt_bench(held_out, "s", architectures_from=tmp_path / "other")
    with pytest.raises(InvalidInputError, match="scale must be one of"):
        read_hw_gpt_bench(known, "xl")  # pyright: ignore[reportArgumentType]


def test_hw_gpt_bench_leaves_out_what_did_not_run_and_refuses_what_cannot(tmp_path):
    table = read_hw_gpt_bench(hw_gpt(tmp_path / "a", medians=(np.nan, 20.0)), "s")
    assert len(table) == 2 and any("1 rows not run on v100" in note for note in table.notes)
    with pytest.raises(InvalidInputError, match="faster than their device can be"):
        read_hw_gpt_bench(hw_gpt(tmp_path / "b", medians=(0.01, 20.0)), "s")
    never = hw_gpt(tmp_path / "c", medians=(0.0, 20.0))
    with pytest.raises(InvalidInputError, match=r"row 1: latency_ms is 0.0"):
        read_hw_gpt_bench(never, "s")
    table = read_hw_gpt_bench(never, "s", skip_impossible=True)
    assert len(table) == 2 and any("1 rows without a positive" in note for note in table.notes)


# --- xLSTM ------------------------------------------------------------------------------------

D_MODEL, LAYERS, HEADS, D_FF, VOCAB = 512, 4, 4, 1344, 1000


def xlstm_row(kind="xlstm", prefill=256, batch=2, ttft=3.0, step=1.0, oom=False, ffn_dim=D_FF):
    block = 4 * D_MODEL**2 + 3 * D_MODEL * D_FF + 2 * D_MODEL
    if kind == "xlstm":
        block += 2 * (D_MODEL + 1) * HEADS + D_MODEL
    return {
        "model_type": kind, "model_tag": f"{kind}_tiny", "batchsize": batch, "prefill": prefill,
        "ttft_ms": ttft, "step_time_ms": step, "memory_reserved_gl1": -1 if oom else 1e9,
        "memory_reserved_gl101": -1 if oom else 2e9, "n_heads": HEADS, "d_model": D_MODEL,
        "N_total": LAYERS * block + 2 * VOCAB * D_MODEL + D_MODEL, "n_layers": LAYERS,
        "qk_dim_factor": 0.5 if kind == "xlstm" else None, "vocab_size": VOCAB,
        "chunk_size": 64 if kind == "xlstm" else None, "ffn_dim": ffn_dim, "oom": oom,
    }  # fmt: skip


def xlstm(tmp_path, *rows):
    pd.DataFrame(rows).to_csv(tmp_path / "i.csv", index=False)
    return read_xlstm_inference(tmp_path / "i.csv")


def test_xlstm_steps_read_and_write_a_state_whatever_the_context(tmp_path):
    table = xlstm(
        tmp_path,
        xlstm_row(),
        xlstm_row(prefill=2048, ttft=9.0),
        xlstm_row("llama2"),
        xlstm_row("llama2", prefill=2048, ttft=9.0),
    )
    steps = table.select(figure="tpot_ms")
    assert steps["is_recurrent"].tolist() == [1, 1, 0, 0] and set(steps["output_tokens"]) == {101}
    qk_dim, v_dim = 64, 128
    state = LAYERS * HEADS * (qk_dim * v_dim + qk_dim + 1)
    assert steps["decode_cache_bytes"][:2].tolist() == [2 * 2 * 2 * state] * 2
    assert steps["decode_attention_flops"][0] == 2 * LAYERS * HEADS * 4 * qk_dim * v_dim
    llama = Architecture(LAYERS, D_MODEL, HEADS, HEADS, 128, D_FF, VOCAB)
    assert steps["decode_cache_bytes"][3] == decode_work(llama, 2, 2048 + 50.5, 2).cache_bytes
    prefill = table.select(figure="ttft_ms")
    ratio = prefill["prefill_attention_flops"][1] / prefill["prefill_attention_flops"][0]
    assert ratio == pytest.approx(8)  # linear in the prompt
    assert prefill["memory_bytes"].tolist() == [1e9] * 4


def test_xlstm_a_first_token_may_fit_where_a_hundred_do_not(tmp_path):
    half = xlstm_row(ttft=5.0, step=-1.0, oom=True, batch=64)
    none = xlstm_row(ttft=-1.0, step=-1.0, oom=True, batch=128)
    table = xlstm(tmp_path, xlstm_row(), half, none)
    assert table.select(figure="ttft_ms")["out_of_memory"].tolist() == [0, 0, 1]
    assert table.select(figure="tpot_ms")["out_of_memory"].tolist() == [0, 1, 1]
    assert np.isnan(table["memory_bytes"]).sum() == 4
    with pytest.raises(InvalidInputError, match=r"latency_ms is -1.0"):
        xlstm(tmp_path, xlstm_row(step=-1.0))  # negative, and not said to be out of memory


def test_xlstm_takes_the_width_that_the_weights_imply_and_a_prompt_of_none_as_one(tmp_path):
    table = xlstm(tmp_path, xlstm_row(prefill=0, ffn_dim=1280.0))
    assert set(table["d_ff"]) == {D_FF} and set(table["prompt_tokens"]) == {1.0}
    assert any("contradicts N_total for xlstm_tiny" in note for note in table.notes)
    assert any("1 prompts of 0 read as 1 token" in note for note in table.notes)
    with pytest.raises(InvalidInputError, match="no MLP width gives xlstm_tiny"):
        xlstm(tmp_path, xlstm_row() | {"N_total": 123456789})


# --- NeuSight ---------------------------------------------------------------------------------


def neusight_row(model="gpt2_large", **changes):
    return {
        "device": "Tesla_T4", "model": model, "mode": "inf", "seq_len": 1024, "batch": 4,
        "variant": None, "hidden_size": 1280, "n_layers": 36, "n_heads": 20, "ffn_dim": None,
        "e2e_latency_ms": 3000.0, "fw_latency_ms": 3000.0, "bw_latency_ms": 0.0, **changes,
    }  # fmt: skip


def neusight(tmp_path, *rows, **kwargs):
    pd.DataFrame(rows).to_csv(tmp_path / "l.csv", index=False)
    return read_neusight(tmp_path / "l.csv", **kwargs)


def test_neusight_counts_gpt_with_its_head_and_bert_without(tmp_path):
    bert = neusight_row("bert_large", hidden_size=1024, n_layers=24, n_heads=16, ffn_dim=4096)
    fused = neusight_row("bert_large", ffn_dim=4096, variant="fusion")
    training = neusight_row(mode="train", batch=1, fw_latency_ms=900.0)
    table = neusight(tmp_path, neusight_row(), bert, fused, training)
    gpt = Architecture(36, 1280, 20, 20, 64, 5120, 50257, gated_mlp=False)
    expected = prefill_work(gpt, 4, 1024, 4, all_logits=True)
    assert table["prefill_gemm_flops"][0] == expected.gemm_flops
    assert table["prefill_attention_flops"][0] == expected.attention_flops
    encoder = Architecture(24, 1024, 16, 16, 64, 4096, 30522, gated_mlp=False)
    expected = prefill_work(encoder, 4, 1024, 4, causal=False)
    assert table["prefill_gemm_flops"][1] == expected.gemm_flops
    assert table["prefill_attention_flops"][1] == expected.attention_flops
    assert table.labels["engine"] == ("torch", "torch", "torch-fusion", "torch")
    assert table["is_train"].tolist() == [0, 0, 0, 1]
    assert set(table.labels["precision"]) == {"float32"} and table.labels["device"][0] == "t4"


def test_neusight_leaves_out_and_counts_what_it_cannot_lay_out(tmp_path):
    parallel = neusight_row(variant="tp4", mode="train", fw_latency_ms=0.0)
    shapeless = neusight_row("switchxl4", hidden_size=None, n_layers=0, n_heads=None)
    table = neusight(tmp_path, neusight_row(), parallel, shapeless)
    assert len(table) == 1
    assert table.notes == (
        "1 of 3 rows without a shape left out: switchxl4",
        "1 of 3 rows on several devices left out: gpt2_large",
    )
    with pytest.raises(InvalidInputError, match="no vocabulary is known for"):
        neusight(tmp_path, neusight_row("mamba_big"))
    with pytest.raises(InvalidInputError, match=r"row 2: latency_ms is 0.0"):
        neusight(tmp_path, neusight_row(), neusight_row(batch=1, fw_latency_ms=0.0))


# --- plain CSV --------------------------------------------------------------------------------

MAPPING = {
    "latency_ms": "t", "figure": "=tpot_ms", "device": "card", "engine": "=mine",
    "precision": "=float16", "batch_size": "bs", "prompt_tokens": "=128", "output_tokens": "=32",
    "d_model": "=4096", "n_layers": "=32", "n_heads": "=32", "n_kv_heads": "=8",
    "head_dim": "=128", "d_ff": "=14336", "vocab_size": "=32000",
}  # fmt: skip


def plain(tmp_path, lines):
    (tmp_path / "p.csv").write_text("card,bs,t\n" + "\n".join(lines) + "\n")
    return tmp_path / "p.csv"


@pytest.mark.parametrize(("unit", "cell"), [("s", "0.025"), ("ms", "25"), ("us", "25000")])
def test_a_plain_table_says_its_unit(tmp_path, unit, cell):
    path = plain(tmp_path, [f"h100-sxm,1,{cell}"])
    table = read_latency_csv(path, MAPPING, latency_unit=unit)
    assert table["latency_ms"] == pytest.approx([25.0])
    assert table.row(0)["decode_gemm_flops"] == decode_work(LARGE, 1, 144, 2).gemm_flops


def test_a_plain_table_s_mapping_and_cells_are_checked(tmp_path):
    path = plain(tmp_path, ["h100-sxm,1,25", "h100-sxm,2,fast"])
    with pytest.raises(InvalidInputError, match="latency_unit must be one of"):
        read_latency_csv(path, MAPPING, latency_unit="")
    with pytest.raises(InvalidInputError, match=r"row 2, column 't': 'fast' is not a number"):
        read_latency_csv(path, MAPPING, latency_unit="ms")
    with pytest.raises(InvalidInputError, match=r"\['speed'\] are none of our names"):
        read_latency_csv(path, MAPPING | {"speed": "t"}, latency_unit="ms")
    with pytest.raises(InvalidInputError, match=r"lacks column\(s\) \['watts'\]"):
        read_latency_csv(path, MAPPING, latency_unit="ms", extras={"power": "watts"})
    without = {ours: theirs for ours, theirs in MAPPING.items() if ours != "d_ff"}
    with pytest.raises(InvalidInputError, match=r"needs the column\(s\) \['d_ff'\]"):
        read_latency_csv(plain(tmp_path, ["h100-sxm,1,25"]), without, latency_unit="ms")


def test_two_units_in_a_plain_table_are_refused(tmp_path):
    lines = [f"card-x,{batch},{20 + batch}" for batch in range(1, 9)]
    lines += [f"card-x,{batch},{0.020 + batch / 1e3}" for batch in range(9, 15)]
    with pytest.raises(InvalidInputError, match="two units in one column"):
        read_latency_csv(plain(tmp_path, lines), MAPPING, latency_unit="ms")


def test_seconds_called_milliseconds_are_below_the_floor(tmp_path):
    path = plain(tmp_path, ["h100-sxm,1,0.025"])
    with pytest.raises(InvalidInputError, match="faster than their device can be"):
        read_latency_csv(path, MAPPING, latency_unit="ms")


def test_a_feature_of_the_caller_s_own_is_kept(tmp_path):
    path = plain(tmp_path, ["h100-sxm,1,25"])
    table = read_latency_csv(path, MAPPING, latency_unit="ms", extras={"power_cap": "=0.7"})
    assert table.extras == ("power_cap",) and table["power_cap"].tolist() == [0.7]
