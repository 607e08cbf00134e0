import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslaw.cli import latency_tables
from bayeslaw.models.latency import fit_latency, roofline_ms
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.runs.latency.files import write_latency_table
from bayeslaw.space import Architecture, Device, Workload, to_huggingface

MACHINE = Device("here", {"float32": 5e10}, 1e10, 8e9)
LOAD = Workload(batch_size=1, prompt_tokens=64, output_tokens=16)
LLAMA = Architecture(4, 256, 8, 8, 32, 768, 512)
GROUPED = replace(LLAMA, n_kv_heads=2)


def true_ms(architecture, phase):
    """A roofline at 40-50 % of the peaks with an overhead a layer."""
    pass_ms = roofline_ms(
        [architecture], LOAD, MACHINE, phase=phase, flop_efficiency=0.4, byte_efficiency=0.5
    )
    return float(pass_ms[0]) + 0.08 + 0.05 * architecture.n_layers


def timing(architecture, rng, **changes):
    ttft, tpot = (
        true_ms(architecture, phase) * float(np.exp(0.01 * rng.standard_normal()))
        for phase in ("prefill", "decode")
    )
    known = {
        "ttft_ms": ttft, "tpot_ms": tpot, "ttft_iqr_ms": 0.01 * ttft, "tpot_iqr_ms": 0.01 * tpot,
        "device": "here", "engine_version": "torch 2", "workload": LOAD, "n_repeats": 9,
        "session": "one",
    }  # fmt: skip
    return Measurement(architecture, **{**known, **changes})


def shapes(rng, n):
    return [
        Architecture(
            n_layers=int(rng.integers(2, 7)),
            d_model=64 * int(rng.integers(1, 7)),
            n_heads=8,
            n_kv_heads=int(rng.choice([1, 2, 4, 8])),
            head_dim=32,
            d_ff=128 * int(rng.integers(1, 9)),
            vocab_size=512,
        )
        for _ in range(n)
    ]


def write_lines(measurements, path):
    path.write_text("".join(json.dumps(m.to_dict()) + "\n" for m in measurements))
    return path


FITS = {}


@pytest.fixture(autouse=True)
def the_same_fit_once(monkeypatch):
    """Every command fits anew; here the same timings are fitted once."""

    def remembered(table, device, seed):
        key = (table.fingerprint, device.name if device else None, seed)
        if key not in FITS:
            FITS[key] = fit_latency(table, device, seed)
        return FITS[key]

    monkeypatch.setattr(latency_tables, "fit_latency", remembered)


@pytest.fixture(scope="module")
def measurements():
    rng = np.random.default_rng(5)
    return [timing(a, rng) for a in shapes(rng, 8)]


@pytest.fixture(scope="module")
def lines(measurements, tmp_path_factory) -> Path:
    return write_lines(measurements, tmp_path_factory.mktemp("timings") / "timings.jsonl")


@pytest.fixture(scope="module")
def configs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("configs")
    paths = {}
    for name, architecture in (("llama", LLAMA), ("grouped", GROUPED)):
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(to_huggingface(architecture)))
    return paths


def test_fit_says_what_was_learnt_and_how_left_out_timings_fell(bayeslaw, lines, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = bayeslaw("latency", "fit", lines, "--json", "--page", page)
    assert code == 0, err
    found = json.loads(out)
    assert (found["device"], found["n_timings"], found["n_networks"]) == ("here", 16, 8)
    constants = {c["name"]: c for c in found["constants"]}
    for name, truth in (("matmul_rate", 0.4 * 5e10), ("weight_rate", 0.5 * 1e10)):
        # The interval is of a rate whose activations and overheads are unknown too.
        assert 0.6 * constants[name]["p05"] < truth < 1.7 * constants[name]["p95"]
        assert constants[name]["width_left"] < 0.7
    assert constants["prefill_sequence"]["width_left"] > 0.7  # one batch size says nothing of it
    assert found["left_out"]["n_timings"] == 16
    assert 0.7 <= found["left_out"]["share_inside"] <= 1
    assert {note["code"] for note in found["notes"]} >= {"device_unknown"}
    assert page.read_text(encoding="utf-8").count("data-figure=") == 4


def test_fit_is_readable_on_a_line_of_a_hundred(bayeslaw, lines):
    code, out, err = bayeslaw("latency", "fit", lines)
    assert code == 0, err
    assert "GFLOP/s" in out and "left out one by one" in out and "guessed from the timings" in out
    assert max(map(len, out.splitlines())) <= 100


def test_predict_gives_every_figure_with_intervals_that_hold(bayeslaw, lines, configs):
    code, out, err = bayeslaw("latency", "predict", lines, *configs.values(), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["workload"]["prompt_tokens"] == 64  # as it was timed
    for entry, architecture in zip(found["networks"], (LLAMA, GROUPED), strict=True):
        assert entry["architecture"] == architecture.to_dict()
        for figure, phase in (("ttft_ms", "prefill"), ("tpot_ms", "decode")):
            assert 0.8 * entry[figure]["p05"] < true_ms(architecture, phase)
            assert true_ms(architecture, phase) < 1.25 * entry[figure]["p95"]
        request, rate = entry["e2el_ms"], entry["tokens_per_second"]
        assert rate["p50"] == pytest.approx(1e3 * 16 / request["p50"])
        assert request["p05"] < request["p50"] < request["p95"]


def test_a_gain_over_the_baseline_is_split_and_what_bounds_it_is_named(bayeslaw, lines, configs):
    words = ("--baseline", configs["llama"])
    code, out, err = bayeslaw("latency", "predict", lines, *configs.values(), *words, "--json")
    assert code == 0, err
    itself, grouped = json.loads(out)["networks"]
    assert itself["over_baseline"] is None
    gain = grouped["over_baseline"]["tpot_ms"]
    assert list(gain["shapley"]) == ["gqa"]  # the only difference
    assert gain["shapley"]["gqa"]["p50"] == pytest.approx(gain["ratio"]["p50"])
    truth = true_ms(GROUPED, "decode") / true_ms(LLAMA, "decode")
    assert 0.95 * gain["ratio"]["p05"] < truth < 1.05 * gain["ratio"]["p95"]
    for figure in ("ttft_ms", "tpot_ms", "e2el_ms"):
        shares = itself["bounded_by"][figure]["shares"]
        assert sum(share["mean"] for share in shares.values()) == pytest.approx(1)
    assert itself["bounded_by"]["ttft_ms"]["name"] == "compute"
    assert itself["bounded_by"]["tpot_ms"]["name"] == "weights"


def test_predictions_are_readable_on_a_line_of_a_hundred(bayeslaw, lines, configs):
    words = ("--baseline", configs["llama"])
    code, out, err = bayeslaw("latency", "predict", lines, *configs.values(), *words)
    assert code == 0, err
    assert "gqa alone" in out and "bounded by" in out and "tokens/s" in out
    assert max(map(len, out.splitlines())) <= 100


def test_memory_comes_with_the_probability_to_run_out_of_it(bayeslaw, configs, tmp_path):
    """On an H100 with 80 GB: memory is 1.2 times what is counted, and there is a datasheet."""
    rng = np.random.default_rng(6)
    known = []
    for a in shapes(rng, 6):
        counted = LOAD.memory_bytes(a)
        served = {"device": "h100-sxm", "ttft_ms": 4.0, "tpot_ms": 0.5 * a.n_layers}
        known.append(timing(a, rng, **served, memory_bytes=1.2 * counted + 5e8))
    path = write_lines(known, tmp_path / "h100.jsonl")
    code, out, err = bayeslaw("latency", "predict", path, configs["llama"], "--memory", "--json")
    assert code == 0, err
    (found,) = json.loads(out)["networks"]
    need = found["memory_bytes"]
    assert 0.8 * need["p05"] < 1.2 * LOAD.memory_bytes(LLAMA) + 5e8 < 1.25 * need["p95"]
    assert found["p_out_of_memory"] < 0.01


def test_memory_that_was_never_measured_is_refused(bayeslaw, lines, configs):
    code, out, _ = bayeslaw("latency", "predict", lines, configs["llama"], "--memory", "--json")
    assert code == 2
    assert "no row has memory_bytes" in json.loads(out)["error"]["message"]


def test_suggested_timings_narrow_what_is_known_one_after_the_other(bayeslaw, lines, tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    offered = shapes(np.random.default_rng(9), 12)
    for i, architecture in enumerate(offered):
        (pool / f"{i:02d}.json").write_text(json.dumps(to_huggingface(architecture)))
    code, out, err = bayeslaw("latency", "suggest", lines, "--pool", pool, "--n", 3, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["n_pool"], found["n_targets"]) == (12, 12)
    steps = found["suggestions"]
    assert len({step["place"] for step in steps}) == 3
    for before, after in itertools.pairwise(steps):
        assert before["log_sd_after"] == pytest.approx(after["log_sd_before"])
    for step in steps:
        assert step["architecture"] == offered[step["place"]].to_dict()
        assert step["log_sd_after"] < step["log_sd_before"] and step["cost_seconds"] > 0


def test_a_study_s_space_gives_pool_targets_and_workload(bayeslaw, lines):
    study = Path(__file__).parents[2] / "search" / "demo.yaml"
    code, out, err = bayeslaw("latency", "suggest", lines, "--space", study, "--n", 1)
    assert code == 0, err
    words = " ".join(out.split())
    assert "256 + 64 tokens" in words and "64 targets" in words
    assert max(map(len, out.splitlines())) <= 100


def test_suggest_wants_one_pool(bayeslaw, lines, configs):
    for words in ((), ("--pool", configs["llama"], "--space", "search/demo.yaml")):
        code, _, err = bayeslaw("latency", "suggest", lines, *words)
        assert code == 2 and "either --pool" in err
    code, out, _ = bayeslaw(
        "latency", "suggest", lines, "--pool", configs["llama"], "--n", 2, "--json"
    )
    assert code == 2 and "n must be from 1" in json.loads(out)["error"]["message"]


REFUSED = {
    "zero": (lambda ms: [replace_line(ms[0], tpot_ms=0.0), *ms[1:]], "positive milliseconds"),
    "negative": (lambda ms: [replace_line(ms[0], ttft_ms=-3.0), *ms[1:]], "positive milliseconds"),
    "two units": (
        lambda ms: [replace_line(m, ttft_ms=m.ttft_ms / 1e3) if i < 4 else m for i, m in enumerate(ms)],
        "two units in one column",
    ),
    "two devices under one name": (
        lambda ms: [*ms, replace_line(ms[0], tpot_ms=3 * ms[0].tpot_ms, session="two")],
        "two devices under one name",
    ),
    "two devices": (lambda ms: [replace_line(ms[0], device="there"), *ms[1:]], "mix device"),
    "two versions": (
        lambda ms: [replace_line(ms[0], engine_version="torch 3"), *ms[1:]],
        "mix engine_version",
    ),
    "too few": (lambda ms: ms[:3], "at least 4"),
}  # fmt: skip


def replace_line(measurement, **changes):
    """Return a line's content that no Measurement would hold."""
    return measurement.to_dict() | changes


@pytest.mark.parametrize("case", REFUSED)
def test_timings_that_do_not_belong_together_are_refused(bayeslaw, measurements, tmp_path, case):
    spoil, message = REFUSED[case]
    spoilt = [m if isinstance(m, dict) else m.to_dict() for m in spoil(measurements)]
    path = tmp_path / "spoilt.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in spoilt))
    code, out, _ = bayeslaw("latency", "fit", path, "--json")
    assert code == 2
    assert message in json.loads(out)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--precision", "bfloat16"), "precision='float32', asked for ['bfloat16']"),
        (("--engine", "vllm"), "engine='bayeslaw', asked for ['vllm']"),
        (("--device", "h200"), "no row has device 'h200'"),
        (("--batch-size", 0), "batch_size must be a whole number of at least 1"),
    ],
)
def test_a_workload_that_was_never_measured_is_refused(bayeslaw, lines, configs, words, message):
    code, out, _ = bayeslaw("latency", "predict", lines, configs["llama"], *words, "--json")
    assert code == 2
    assert message in json.loads(out)["error"]["message"]


def test_a_file_that_is_no_table_is_refused(bayeslaw, tmp_path):
    for name, content, message in (
        ("words.jsonl", "no measurement\n", "line 1 of words.jsonl is no measurement"),
        ("empty.jsonl", "", "no measurements were given"),
        ("other.csv", "a,b\n1,2\n", "lacks"),
        ("other.txt", "a", ".parquet or .csv"),
    ):
        (tmp_path / name).write_text(content)
        code, _, err = bayeslaw("latency", "fit", tmp_path / name)
        assert code == 2 and message in " ".join(err.split())
    code, _, err = bayeslaw("latency", "fit", tmp_path / "missing.parquet")
    assert code == 2 and "missing.parquet" in err.replace("\n", "")


def test_rows_are_chosen_by_label(bayeslaw, measurements, tmp_path):
    """A table of two engine versions is refused whole, and fitted version by version."""
    other = [replace(m, engine_version="torch 3") for m in measurements]
    write_latency_table(
        LatencyTable.from_measurements([*measurements, *other]), tmp_path / "both.parquet"
    )
    words = ("latency", "fit", tmp_path / "both.parquet", "--json")
    assert bayeslaw(*words)[0] == 2
    code, out, err = bayeslaw(*words, "--device", "here", "--select", "engine_version=torch 3")
    assert code == 0, err
    assert json.loads(out)["engine_version"] == "torch 3"
    code, out, _ = bayeslaw(*words, "--select", "engine_version")
    assert code == 2 and "LABEL=WORD" in out


def test_a_latency_of_zero_in_a_table_is_named_by_row_and_column(bayeslaw, measurements, tmp_path):
    path = tmp_path / "table.csv"
    write_latency_table(LatencyTable.from_measurements(measurements), path)
    frame = pd.read_csv(path)
    frame.loc[3, "latency_ms"] = 0.0
    frame.to_csv(path, index=False)
    code, _, err = bayeslaw("latency", "fit", path)
    assert code == 2 and "row 3" in err and "'latency_ms'" in err.replace("\n", "")


def test_help_loads_neither_torch_nor_jax():
    program = (
        "import sys; from bayeslaw.cli import main\n"
        "sys.argv = ['bayeslaw', 'latency', *sys.argv[1:], '--help']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'jax', 'numpyro'} & set(sys.modules)"
    )
    for words in ([], ["fit"], ["predict"], ["suggest"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
