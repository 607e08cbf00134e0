import json

import pandas as pd

from bayeslaw.runs.latency.files import read_latency_table

COLUMNS = {
    "latency_ms": "t", "figure": "=tpot_ms", "device": "=h100-sxm", "engine": "=mine",
    "precision": "=float16", "batch_size": "bs", "prompt_tokens": "=128", "output_tokens": "=32",
    "d_model": "=4096", "n_layers": "=32", "n_heads": "=32", "n_kv_heads": "=8",
    "head_dim": "=128", "d_ff": "=14336", "vocab_size": "=32000",
}  # fmt: skip
MAPPING = [word for ours, theirs in COLUMNS.items() for word in ("-c", f"{ours}={theirs}")]


def test_a_csv_becomes_a_table(bayeslaw, tmp_path):
    pd.DataFrame({"bs": [1, 2], "t": [25.0, 26.0]}).to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "table.parquet"
    code, printed, _ = bayeslaw(
        "import-latency",
        tmp_path / "mine.csv",
        *MAPPING,
        "--latency-unit",
        "ms",
        "-o",
        out,
        "--json",
    )
    table = read_latency_table(out)
    assert code == 0 and table["latency_ms"].tolist() == [25.0, 26.0]
    assert json.loads(printed) == {"rows": 2, "fingerprint": table.fingerprint, "notes": []}


def test_impossible_rows_stop_it_unless_told_to_skip_them(bayeslaw, tmp_path):
    pd.DataFrame({"bs": [1, 2], "t": [25.0, 0.5]}).to_csv(tmp_path / "mine.csv", index=False)
    out = tmp_path / "table.parquet"
    command = ["import-latency", tmp_path / "mine.csv", *MAPPING, "--latency-unit", "ms", "-o", out]
    code, _, error = bayeslaw(*command)
    assert code == 2 and "faster than their device can be" in error.replace("\n", "")
    assert not out.exists()
    code, printed, _ = bayeslaw(*command, "--skip-impossible")
    assert code == 0 and "note: 1 of 2 rows are faster" in printed
    assert len(read_latency_table(out)) == 1


def test_vllm_s_file_needs_what_it_does_not_say(bayeslaw, tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps({"avg_latency": 0.25, "latencies": [0.25]}))
    command = ["import-latency", path, "--kind", "vllm-latency", "-o", tmp_path / "t.csv"]
    code, _, error = bayeslaw(*command)
    assert code == 2 and "--config" in error
    (tmp_path / "config.json").write_text(
        json.dumps(
            {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100}
        )
    )  # fmt: skip
    code, _, error = bayeslaw(
        *command, "--config", tmp_path / "config.json", "--device", "h100-sxm",
        "--batch-size", "2", "--prompt-tokens", "100", "--output-tokens", "50",
    )  # fmt: skip
    assert code == 0, error
    assert read_latency_table(tmp_path / "t.csv").row(0)["latency_ms"] == 250.0
