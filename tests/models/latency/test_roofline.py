import numpy as np
import pytest
import torch
from latency_world import log_constants

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import roofline_ms
from bayeslaw.models.latency.constants import NAMES
from bayeslaw.models.latency.roofline import (
    PassWork,
    count_passes,
    figure_log_seconds,
    guess_ceilings,
    pass_log_seconds,
    phase_shares,
)
from bayeslaw.runs import LatencyTable
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


def one_pass(**work):
    kinds = ("gemm", "attention", "weights", "cache", "activations", "scores")
    values = [[work.get(kind, 1e-200) for kind in kinds]]
    nothing = torch.tensor([-600.0]).double()
    layers, sequences = (torch.tensor([work.get(k, 0.0)]).double() for k in ("layers", "sequences"))
    return PassWork(
        torch.zeros(1).double(), torch.tensor(values).double().log(), layers, sequences, nothing,
        torch.zeros(1).double(),
    )  # fmt: skip


def constants(**values):
    plain = dict.fromkeys(NAMES, 1e-30) | dict.fromkeys(
        [name for name in NAMES if name.endswith(("rate", "ratio"))], 1.0
    )
    return torch.tensor([[(plain | values)[name] for name in NAMES]]).double().log()


def test_overheads_add_up():
    work = one_pass(gemm=1e9, layers=10.0, sequences=4.0)
    known = constants(matmul_rate=1e12, decode_call=1e-3, decode_layer=1e-5, decode_sequence=1e-4)
    found = pass_log_seconds(known, work, "decode").exp()
    assert float(found[0, 0]) == pytest.approx(1e-3 + 1e-3 + 1e-4 + 4e-4, rel=1e-6)


def test_at_the_ridge_a_quarter_is_lost():
    known = constants(matmul_rate=1e9, weight_rate=1e9)
    work = one_pass(gemm=1e9, weights=1e9)
    found = pass_log_seconds(known, work, "decode").exp()
    assert float(found[0, 0]) == pytest.approx(2 ** (1 / 3), rel=1e-6)


def test_a_request_is_a_prefill_and_a_step_for_each_later_token():
    serve = Workload(prompt_tokens=64, output_tokens=33)
    known = log_constants()
    times = {
        figure: figure_log_seconds(
            known, count_passes(LatencyTable.ask([LLAMA_8B], serve, figure))
        ).exp()
        for figure in ("ttft_ms", "tpot_ms", "e2el_ms")
    }
    total = float(times["ttft_ms"] + 32 * times["tpot_ms"])
    assert float(times["e2el_ms"]) == pytest.approx(total, rel=1e-9)
    passes = count_passes(LatencyTable.ask([LLAMA_8B], serve, "e2el_ms"))
    shares = phase_shares(known, passes)
    assert float(shares[0, 0]) == pytest.approx(float(times["ttft_ms"]) / total, rel=1e-9)


def test_nothing_breaks_the_gradient_of_a_figure_without_decode():
    known = log_constants().requires_grad_()
    passes = count_passes(LatencyTable.ask([LLAMA_8B], Workload(), "ttft_ms"))
    (gradient,) = torch.autograd.grad(figure_log_seconds(known, passes).sum(), known)
    assert torch.isfinite(gradient).all()
    assert float(gradient[0, NAMES.index("matmul_rate")]) < -0.1
    assert abs(float(gradient[0, NAMES.index("decode_layer")])) < 1e-200


def test_two_devices_halve_the_work_and_pay_for_the_link():
    serve = Workload(batch_size=8, prompt_tokens=1024, precision="bfloat16")
    one, two = (
        figure_log_seconds(
            log_constants(),
            count_passes(LatencyTable.ask([LLAMA_8B], serve, "ttft_ms", n_devices=n)),
        ).exp()
        for n in (1, 2)
    )
    assert 0.5 * float(one) < float(two) < float(one)


def test_guessed_ceilings_are_half_above_the_best_rate():
    serve = Workload(batch_size=8, prompt_tokens=1024)
    asked = LatencyTable.ask([LLAMA_8B], serve, "ttft_ms")
    columns = {**asked.columns, "latency_ms": np.array([1000.0])}
    found = guess_ceilings(LatencyTable.from_columns(columns, asked.labels))
    assert found.is_guessed
    assert found.flops_per_second == pytest.approx(1.5 * LLAMA_8B.prefill_flops(8, 1024))


def test_an_efficiency_above_one_is_refused():
    with pytest.raises(InvalidInputError, match="flop_efficiency must be in"):
        roofline_ms([LLAMA_8B], Workload(), H100, phase="decode", flop_efficiency=1.5)
