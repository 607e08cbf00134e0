import json
from pathlib import Path

import pytest

from bayeslaw.lab.inference import timing
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, to_huggingface

SMALL = Architecture(
    n_layers=1, d_model=32, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64, vocab_size=256
)
BRIEF = ("--output-tokens", 2, "--prompt-tokens", 4)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setitem(timing.ENOUGH_SECONDS, "cpu", 0.0)
    monkeypatch.setitem(timing.WARM_UP_SECONDS, "cpu", 0.0)
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(to_huggingface(SMALL)))
    return path


def test_a_network_is_timed_and_shown(bayeslaw, config):
    code, out, err = bayeslaw("measure", config, *BRIEF)
    assert code == 0, err
    assert "TTFT" in out and "E2EL" in out and str(SMALL) in out


def test_every_batch_meets_every_prompt(bayeslaw, config):
    code, out, err = bayeslaw(
        "measure", config, *BRIEF, "--prompt-tokens", 8, "--batch-size", 1, "--batch-size", 3, "--json"
    )  # fmt: skip
    assert code == 0, err
    assert err == ""
    served = [
        (line["workload"]["batch_size"], line["workload"]["prompt_tokens"])
        for line in json.loads(out)
    ]
    assert served == [(1, 4), (1, 8), (3, 4), (3, 8)]


def test_started_again_it_goes_on(bayeslaw, config, tmp_path):
    lines = tmp_path / "timings.jsonl"
    words = ("measure", config, *BRIEF, "--json-lines", lines)
    assert bayeslaw(*words)[0] == 0
    before = lines.read_text()
    # One case, and it is the anchor: before and after.
    first = [Measurement.from_dict(json.loads(line)) for line in before.splitlines()]
    assert [m.record["anchor"] for m in first] == [1, 2]
    assert bayeslaw(*words)[0] == 0
    assert lines.read_text() == before
    code, out, _ = bayeslaw(*words, "--batch-size", 1, "--batch-size", 2)
    assert code == 0 and "batch" in out
    assert lines.read_text().startswith(before)
    assert len(lines.read_text().splitlines()) == 2 + 3


def test_what_does_not_fit_is_shown_as_such(bayeslaw, config):
    words = ("measure", config, "--batch-size", 10**7, "--prompt-tokens", 10**6)
    code, out, err = bayeslaw(*words)
    assert code == 0, err
    assert "out of memory" in out
    (found,) = json.loads(bayeslaw(*words, "--json")[1])
    assert found["out_of_memory"] and found["ttft_ms"] is None


def test_wrong_input_is_an_error_with_a_code(bayeslaw, config, tmp_path):
    code, _, err = bayeslaw("measure", config, "--threads", 0)
    assert code == 2 and "threads" in err
    code, _, err = bayeslaw("measure", config, "--precision", "float8")
    assert code == 2 and "float8" in err
    (tmp_path / "other.jsonl").write_text("no measurement\n")
    code, _, err = bayeslaw("measure", config, *BRIEF, "--json-lines", tmp_path / "other.jsonl")
    assert code == 2 and "is no measurement" in err
