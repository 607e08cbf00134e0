import json
import sys
import time

import pytest
import torch
import torch._dynamo
from benchmarks.gpu.decode import headline, measure, rates, wanted_cells
from benchmarks.gpu.decode_contestants import (
    COMPILED,
    CONTESTANTS,
    SHAPES,
    SMOKE_SHAPES,
    decode_figures,
    generation_of,
    read_bandwidth,
)
from benchmarks.peers.hf_llama import hf_llama

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.inference import Engine, timing
from bayeslaw.lab.network import Network
from bayeslaw.space import DEVICES, Architecture, Workload

CPU = torch.device("cpu")
ALL = (*CONTESTANTS, *COMPILED)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_shape_has_the_parameters_it_is_named_for(shape):
    named = float(shape.name[:-1]) * {"M": 1e6, "B": 1e9}[shape.name[-1]]
    assert shape.architecture.n_params == pytest.approx(named, rel=0.05)


@pytest.mark.parametrize("how", ["dynamic", "static"])
def test_generate_and_our_engine_write_the_same_tokens(how):
    architecture = Architecture(2, 32, 4, 2, 8, 64, 256)  # untied: tied ones repeat their input
    workload = Workload(3, 8, 12)
    network = Network(architecture, max_context=workload.context, seed=3).eval()
    peer = hf_llama(architecture, workload.context)
    peer.copy_from(network)
    theirs = generation_of(peer.llama, workload, how)
    expected = theirs(12)
    assert torch.equal(Engine(network, workload).generate(), expected)
    assert torch.equal(theirs(1), expected[:, :1])
    assert len(expected.unique()) > 3


def test_a_step_at_the_bandwidth_of_the_datasheet_has_a_share_of_one():
    shape, workload = SHAPES[4], Workload(1, 512, 64, "bfloat16")
    device = DEVICES["h100-sxm"]
    # 63 steps with 512, ..., 574 tokens in the cache; each also writes its own.
    n_bytes = sum(shape.architecture.decode_bytes(1, c) for c in range(512, 575)) / 63
    tpot_ms = n_bytes / device.memory_bandwidth * 1e3
    figures = {"device": "h100-sxm", "read_bandwidth": device.memory_bandwidth / 2}
    rated = rates(shape, workload, tpot_ms, figures)
    assert rated["share_of_datasheet"] == pytest.approx(1.0)
    assert rated["share_of_read_bandwidth"] == pytest.approx(2.0)
    assert rated["meets_75"] is True
    assert rates(shape, workload, tpot_ms / 0.74, figures)["meets_75"] is False
    assert "meets_75" not in rates(SHAPES[2], workload, tpot_ms, figures)
    assert "meets_75" not in rates(shape, Workload(16, 512, 64, "bfloat16"), tpot_ms, figures)


def cell(shape, contestant, tpot_ms, batch_size=1, **further):
    return {
        "shape": shape, "batch_size": batch_size, "contestant": contestant, "tpot_ms": tpot_ms,
        "share_of_datasheet": 0.8, "share_of_read_bandwidth": 0.9, **further,
    }  # fmt: skip


def test_the_headline_takes_the_fastest_generate_and_claims_nothing_unmeasured():
    cells = [
        cell("1.2B", "ours", 1.0, tpot_of_generation_ms=2.0, meets_75=True),
        cell("1.2B", "ours eager", 9.0),
        cell("1.2B", "transformers dynamic", 6.0),
        cell("1.2B", "transformers static", 4.0),
        cell("1.2B", "ours", 2.0, batch_size=16),
        {"shape": "1.2B", "batch_size": 16, "contestant": "transformers static", "failed": "it"},
    ]
    found = headline(cells, [("1.2B", 1), ("1.2B", 16)])
    assert found["generate_over_ours"] == {"batch 1": {"1.2B": 4.0}}
    assert found["generate_over_our_generation"] == {"batch 1": {"1.2B": 2.0}}
    assert found["faster_on_every_shape"] == {"batch 1": True, "batch 16": None}
    assert found["meets_75"] == {"1.2B": True}
    slower = [*cells, cell("8B", "ours", 5.0), cell("8B", "transformers static", 4.9)]
    found = headline(slower, [("1.2B", 1), ("8B", 1)])
    assert found["faster_on_every_shape"] == {"batch 1": False}
    assert headline(cells, [("1.2B", 1), ("8B", 1)])["faster_on_every_shape"] == {"batch 1": None}


def test_the_headline_pair_is_measured_first_and_what_compiles_last():
    wanted = [
        (shape.name, batch_size, name) for shape, batch_size, name in wanted_cells(smoke=False)
    ]
    assert len(wanted) == len(set(wanted)) == len(SHAPES) * 2 * len(ALL)
    assert {row[1:] for row in wanted[: 2 * len(SHAPES)]} == {
        (1, "ours"),
        (1, "transformers dynamic"),
    }
    assert all("compiled" in row[2] for row in wanted[-4 * len(SHAPES) :])


def test_a_streaming_read_is_timed():
    assert 1e8 < read_bandwidth(CPU, 2**22, seconds=0.02) < 1e13


@pytest.fixture
def without_compilers():
    """Compilers take a minute a cell on a busy core; without them the path is the same."""
    with torch._dynamo.config.patch(disable=True):
        yield


@pytest.mark.filterwarnings("ignore")  # of compilers that are switched off, and of the peer
@pytest.mark.slow
def test_the_whole_command_runs_on_a_cpu_and_goes_on_where_it_stopped(
    tmp_path, without_compilers, monkeypatch
):
    monkeypatch.setitem(timing.ENOUGH_SECONDS, "cpu", 0.05)
    monkeypatch.setitem(timing.WARM_UP_SECONDS, "cpu", 0.1)
    path = tmp_path / "decode.json"
    figures = measure(path, seconds=100, smoke=True)
    assert figures["not_reached"] == []
    assert [found["contestant"] for found in figures["cells"]] == list(ALL)
    for found in figures["cells"]:
        assert found["tpot_ms"] > 0 and found["bandwidth"] > 0
        assert found["n_repeats"] >= 5
        ordered = [found["percentiles"][name] for name in ("p10", "p25", "p50", "p75", "p90")]
        assert ordered == sorted(ordered)
    assert set(figures["headline"]["faster_on_every_shape"]) == {"batch 1"}
    assert json.loads(path.read_text()) == figures

    figures["cells"].pop(1)
    path.write_text(json.dumps(figures))
    again = measure(path, seconds=100, smoke=True)
    assert again["cells"][:-1] == figures["cells"]
    assert again["cells"][-1]["contestant"] == CONTESTANTS[1]


@pytest.fixture
def quick_ours(monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.decode_contestants._ours", lambda *a, **k: {"tpot_ms": 1.0})


def test_a_machine_without_transformers_says_so_in_its_cells(tmp_path, monkeypatch, quick_ours):
    monkeypatch.setitem(sys.modules, "transformers", None)
    figures = measure(tmp_path / "decode.json", seconds=100, smoke=True)
    for found in figures["cells"]:
        if found["contestant"].startswith("transformers"):
            assert "pip install transformers" in found["unavailable"]
            assert "tpot_ms" not in found
    assert figures["headline"]["faster_on_every_shape"] == {"batch 1": None}
    assert figures["headline"]["generate_over_ours"] == {}


def test_a_contestant_that_fails_costs_the_others_nothing(tmp_path, monkeypatch, quick_ours):
    def broken(*arguments):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("benchmarks.gpu.decode_contestants._transformers", broken)
    figures = measure(tmp_path / "decode.json", seconds=100, smoke=True)
    assert [found.get("failed") for found in figures["cells"]] == [
        None if name.startswith("ours") else "RuntimeError: no such kernel" for name in ALL
    ]


def test_a_difference_of_times_that_noise_made_negative_is_no_figure(monkeypatch):
    samples = iter(([9.0, 9.0, 9.0], [8.0, 8.0, 8.0]))
    module = "benchmarks.gpu.decode_contestants"
    monkeypatch.setattr(f"{module}.generation", lambda *arguments: lambda n_tokens: None)
    monkeypatch.setattr(f"{module}._samples_ms", lambda *arguments: next(samples))
    shape = SMOKE_SHAPES[0].architecture
    with pytest.raises(UnavailableError, match="no longer than one"):
        decode_figures("transformers dynamic", shape, Workload(1, 8, 6), CPU, 0.1)
    samples = iter(([9.0, 9.0, 9.0], [14.0, 19.0, 34.0]))
    found = decode_figures("transformers dynamic", shape, Workload(1, 8, 6), CPU, 0.1)
    assert found["tpot_ms"] == 2.0  # (19 - 9) / 5
    assert found["percentiles"]["p75"] == 3.5  # between 2 and 5


def test_what_the_time_did_not_suffice_for_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu.decode.read_bandwidth", lambda *arguments: time.sleep(60))
    figures = measure(tmp_path / "decode.json", seconds=1, smoke=True)
    assert figures["cells"] == []
    assert figures["not_reached"] == [["smoke", 1, name] for name in ALL]
    assert [shape.name for shape in SMOKE_SHAPES] == ["smoke"]
