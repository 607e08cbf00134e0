import json
import time

import pytest
import torch
import torch._dynamo
from benchmarks.gpu.contestants import CONTESTANTS, SHAPES
from benchmarks.gpu.train import headline, measure


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_has_the_parameters_it_is_named_for(shape):
    named = float(shape.name[:-1]) * {"M": 1e6, "B": 1e9}[shape.name[-1]]
    assert shape.architecture.n_params == pytest.approx(named, rel=0.05)


def test_larger_networks_read_fewer_sequences_at_once():
    micro = {shape.name: shape.micro_sequences(80e9) for shape in SHAPES}
    assert micro["60M"] >= micro["125M"] >= micro["350M"] >= micro["1B"] >= 4
    assert all(64 % n == 0 for n in micro.values())
    assert SHAPES[0].micro_sequences(1e9) == 1


def test_the_headline_leaves_out_what_was_not_measured():
    cells = [
        {"shape": "125M", "contestant": "ours compiled", "tokens_per_second": 6.0, "mfu": 0.4},
        {"shape": "125M", "contestant": "plain compiled", "tokens_per_second": 5.0},
        {"shape": "125M", "contestant": "plain eager", "tokens_per_second": 3.0},
        {"shape": "125M", "contestant": "ours eager", "tokens_per_second": 9.0},
        {"shape": "1B", "contestant": "ours compiled", "tokens_per_second": 1.0, "mfu": None},
        {"shape": "1B", "contestant": "plain compiled", "failed": "no compiler"},
    ]
    found = headline(cells)
    assert found["mfu"] == {"125M": 0.4, "1B": None}
    assert found["ratio_to_best_peer"] == {"125M": pytest.approx(1.2)}


@pytest.fixture
def without_compilers():
    """Compilers take a minute a cell on a busy core; without them the path is the same."""
    with torch._dynamo.config.patch(disable=True):
        yield


@pytest.mark.filterwarnings("ignore")  # of compilers that are switched off, and of the profiler
@pytest.mark.slow
def test_the_whole_command_runs_on_a_cpu_and_goes_on_where_it_stopped(tmp_path, without_compilers):
    path = tmp_path / "train.json"
    figures = measure(path, seconds=250, smoke=True)
    assert figures["not_reached"] == []
    assert [cell["contestant"] for cell in figures["cells"]] == list(CONTESTANTS)
    assert all(cell["tokens_per_second"] > 0 for cell in figures["cells"])
    assert figures["cells"][0]["kernels"]
    assert {row["backend"] for row in figures["attention"]["backends"]} >= {"math", "sdpa_flash"}
    assert json.loads(path.read_text()) == figures

    figures["cells"].pop()
    path.write_text(json.dumps(figures))
    again = measure(path, seconds=250, smoke=True)
    assert again["cells"][:-1] == figures["cells"]
    assert again["cells"][-1]["contestant"] == CONTESTANTS[-1]


def test_what_the_time_did_not_suffice_for_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.train.gemm_peak", lambda device, size: time.sleep(60))
    figures = measure(tmp_path / "train.json", seconds=1, smoke=True)
    assert figures["cells"] == []
    assert figures["not_reached"] == [
        *(["smoke", name] for name in CONTESTANTS),
        ["attention", "all backends"],
    ]
