from dataclasses import replace

import numpy as np
import pytest
import torch
from latency_world import DEVICE, SERVE, log_constants, random_architecture, timings

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.bounds import PARTS, part_shares, what_bounds
from bayeslaw.models.latency.constants import NAMES
from bayeslaw.models.latency.roofline import count_passes, figure_log_seconds
from bayeslaw.models.latency.surrogate import fit_latency
from bayeslaw.runs import LatencyTable
from bayeslaw.space import Architecture, Workload

BIG = Architecture(24, 2048, 16, 16, 128, 8192, 32000)
TINY = Architecture(2, 64, 4, 4, 16, 128, 257)


@pytest.fixture(scope="module")
def surrogate():
    table, _ = timings(10, np.random.default_rng(0), figure="tpot_ms", engine="bayeslaw")
    return fit_latency(table, DEVICE, seed=0)


def shares_of(network, workload, figure, **constants):
    passes = count_passes(LatencyTable.ask([network], workload, figure))
    found = part_shares(log_constants(**constants), passes)
    return dict(zip(PARTS, found[0, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("network", "workload", "figure", "part"),
    [
        (BIG, Workload(1, 64, 64), "tpot_ms", "weights"),
        (BIG, Workload(64, 8000, 64), "tpot_ms", "kv_cache"),
        (BIG, Workload(8, 2048, 1), "ttft_ms", "compute"),
        (TINY, Workload(1, 8, 8), "tpot_ms", "overhead"),
    ],
)
def test_what_bounds_is_what_must(network, workload, figure, part):
    # Attention that reads each key at the ceiling's pace, as fused kernels do.
    shares = shares_of(network, workload, figure, attention_ratio=1.0, score_ratio=1e3)
    assert max(shares, key=shares.__getitem__) == part
    assert shares[part] > 0.5


def test_shares_are_elasticities_and_add_up():
    workload = Workload(4, 300, 40)
    rng = np.random.default_rng(1)
    table = LatencyTable.ask([random_architecture(rng, 2.0) for _ in range(6)], workload, "e2el_ms")
    passes = count_passes(table)
    logs = log_constants()
    shares = part_shares(logs, passes)[0]
    assert shares.sum(-1).numpy() == pytest.approx(np.ones(6), abs=1e-12)
    step = 1e-5

    def slope(**by):
        """Fall of log time with the log of some constants."""
        change = torch.tensor([[by.get(name, 0.0) for name in NAMES]], dtype=torch.float64)
        up, down = (figure_log_seconds(logs + s * change, passes)[0] for s in (step, -step))
        return ((down - up) / (2 * step)).numpy()

    places = {part: k for k, part in enumerate(PARTS)}
    faster = {
        "compute": slope(matmul_rate=1),
        "kv_cache": slope(cache_ratio=1),
        "activations": slope(activation_ratio=1, score_ratio=1),
        "weights": slope(weight_rate=1, cache_ratio=-1, activation_ratio=-1, score_ratio=-1),
        "overhead": -slope(
            **{n: 1 for n in NAMES if n.startswith(("prefill_", "decode_", "link_l"))}
        ),
    }
    for part, expected in faster.items():
        assert shares[:, places[part]].numpy() == pytest.approx(expected, abs=1e-6), part


def test_several_devices_wait_for_links():
    serve = Workload(1, 512, 1)
    passes = count_passes(LatencyTable.ask([BIG], serve, "ttft_ms", n_devices=4))
    shares = part_shares(log_constants(), passes)[0, 0]
    assert shares[PARTS.index("links")] > 0.01
    assert float(shares.sum()) == pytest.approx(1.0)


def test_the_posterior_says_what_bounds_and_how_surely(surrogate):
    rng = np.random.default_rng(2)
    served = replace(SERVE, engine="bayeslaw")
    asked = LatencyTable.ask([random_architecture(rng) for _ in range(12)], served, "tpot_ms")
    found = what_bounds(surrogate, asked)
    assert sum(bands["mean"] for bands in found.shares.values()) == pytest.approx(np.ones(12))
    truth = part_shares(log_constants(), count_passes(asked))[0].numpy()
    for k, part in enumerate(PARTS):
        bands = found.shares[part]
        assert (bands["p05"] <= bands["p95"]).all()
        if part in ("weights", "overhead"):
            held = (bands["p05"] <= truth[:, k]) & (truth[:, k] <= bands["p95"])
            assert held.mean() > 0.6, part
    assert found.names == tuple(
        max(PARTS, key=lambda part, i=i: found.shares[part]["mean"][i]) for i in range(12)
    )
    assert (found.chances > 0).all() and (found.chances <= 1).all()


def test_rows_are_placed_under_the_roof(surrogate):
    asked = LatencyTable.ask([TINY], replace(SERVE, engine="bayeslaw"), "tpot_ms")
    placed = what_bounds(surrogate, asked).placement
    assert placed.ridge == 5.0
    assert placed.intensity[0] == pytest.approx(
        TINY.decode_flops(1, 192) / TINY.decode_bytes(1, 192, 4), rel=1e-6
    )
    assert placed.roof[0] == pytest.approx(1e10 * placed.intensity[0])
    assert placed.flops_per_second["p05"] < placed.flops_per_second["p95"] < placed.roof


def test_the_door(surrogate):
    asked = LatencyTable.ask([TINY], replace(SERVE, engine="vllm"), "tpot_ms")
    with pytest.raises(InvalidInputError, match="engine"):
        what_bounds(surrogate, asked)
    with pytest.raises(InvalidInputError, match="level must be"):
        what_bounds(surrogate, asked, level=1.0)
