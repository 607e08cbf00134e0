import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import kinetics_cost
from bayeslaw.space import Architecture

LLAMA_1B = Architecture(
    n_layers=16, d_model=2048, n_heads=32, n_kv_heads=8, head_dim=64, d_ff=8192,
    vocab_size=128_256, tied_embeddings=True,
)  # fmt: skip


def test_the_published_formula_gives_these_numbers():
    # arXiv:2506.05333 by laws.md: [2Pg + 2(2c+g) g n_q d_h L] n and 562.5 * 2(2c+gn) g n_kv d_h L.
    c, g, n = 4096, 16_384, 4
    cost = kinetics_cost(LLAMA_1B, c, g, n)
    compute = (2 * 1_235_814_400 * g + 2 * (2 * c + g) * g * 32 * 64 * 16) * n
    memory = 562.5 * 2 * (2 * c + g * n) * g * 8 * 64 * 16
    assert cost.compute_flops == compute == pytest.approx(267.5e12, rel=1e-3)
    assert cost.memory_eflops == memory == pytest.approx(11_132.6e12, rel=1e-3)
    assert cost.eflops == compute + memory


def test_memory_outweighs_compute_in_long_generations_and_grouped_heads_cut_it():
    lengths = np.array([1000.0, 4000.0, 16_000.0, 64_000.0])
    cost = kinetics_cost(LLAMA_1B, 1024, lengths)
    assert np.all(np.diff(cost.memory_eflops / cost.compute_flops) > 0)
    assert cost.memory_eflops[-1] > cost.compute_flops[-1]
    fewer = Architecture(16, 2048, 32, 4, 64, 8192, 128_256, tied_embeddings=True)
    halved = kinetics_cost(fewer, 1024, lengths).memory_eflops
    assert halved == pytest.approx(cost.memory_eflops / 2)


def test_trials_share_the_context_but_not_what_they_generate():
    one, four = (kinetics_cost(LLAMA_1B, 8192, 1024, n) for n in (1, 4))
    assert four.compute_flops == pytest.approx(4 * one.compute_flops)
    assert one.memory_eflops < four.memory_eflops < 4 * one.memory_eflops


def test_negative_lengths_are_refused():
    with pytest.raises(InvalidInputError, match="generated_tokens must be finite"):
        kinetics_cost(LLAMA_1B, 1024, -1)
