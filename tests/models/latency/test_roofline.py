import numpy as np
import pytest
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import roofline_ms
from bayeslaw.models.latency.roofline import (
    RooflineConstants,
    Work,
    count_work,
    roofline_seconds,
)
from bayeslaw.space import DEVICES, Architecture, Workload

LLAMA_8B = Architecture(
    n_layers=32, d_model=4096, n_heads=32, n_kv_heads=8, head_dim=128, d_ff=14336,
    vocab_size=128256,
)  # fmt: skip
H100 = DEVICES["h100-sxm"]


def test_decode_of_one_sequence_on_an_h100_is_weights_over_bandwidth():
    serve = Workload(batch_size=1, prompt_tokens=1, output_tokens=1, precision="bfloat16")
    (found,) = roofline_ms([LLAMA_8B], serve, H100, phase="decode")
    weights = LLAMA_8B.n_params - LLAMA_8B.embedding_params  # the table is looked up, not streamed
    assert found == pytest.approx(2 * weights / 3.35e12 * 1e3, rel=1e-3)
    assert found == pytest.approx(4.48, rel=1e-2)


def test_prefill_of_a_long_prompt_on_an_h100_is_flops_over_peak():
    serve = Workload(batch_size=8, prompt_tokens=2048, output_tokens=1, precision="bfloat16")
    (found,) = roofline_ms([LLAMA_8B], serve, H100, phase="prefill")
    assert found == pytest.approx(LLAMA_8B.prefill_flops(8, 2048) / 989e12 * 1e3, rel=1e-3)


def test_decode_counts_the_cache_at_half_of_the_output():
    short, long = (Workload(prompt_tokens=100, output_tokens=n) for n in (1, 201))
    works = [count_work([LLAMA_8B], [w], "decode") for w in (short, long)]
    assert works[1].bytes[0] - works[0].bytes[0] == 100 * LLAMA_8B.kv_bytes_per_token(4)


def test_overheads_add_up_and_constants_broadcast_over_draws():
    work = Work(*(np.array([value]) for value in (1e9, 1e6, 10.0, 4.0)))
    constants = RooflineConstants(
        flops_per_second=torch.tensor([[1e12], [2e12]]),
        bytes_per_second=1e15,
        call_seconds=1e-3,
        sequence_seconds=1e-4,
        layer_seconds=1e-5,
    )
    found = roofline_seconds(work, constants)
    assert found.shape == (2, 1)
    assert found[:, 0].tolist() == pytest.approx([1e-3 + 1.5e-3, 0.5e-3 + 1.5e-3], rel=1e-6)


def test_at_the_ridge_a_quarter_is_lost():
    work = Work(*(np.array([value]) for value in (1e9, 1e9, 1.0, 1.0)))
    found = roofline_seconds(work, RooflineConstants(1e9, 1e9))
    assert float(found[0]) == pytest.approx(2 ** (1 / 3))


def test_an_efficiency_above_one_is_refused():
    with pytest.raises(InvalidInputError, match="flop_efficiency must be in"):
        roofline_ms([LLAMA_8B], Workload(), H100, phase="decode", flop_efficiency=1.5)
