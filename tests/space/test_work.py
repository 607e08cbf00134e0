import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslaw.space import Architecture, decode_work, prefill_work

KINDS = (
    "gemm_flops",
    "attention_flops",
    "weight_bytes",
    "cache_bytes",
    "activation_bytes",
    "score_bytes",
)
SMALL = Architecture(2, 64, 4, 2, 16, 128, 256)


@st.composite
def architectures(draw):
    kv_heads = draw(st.integers(1, 8))
    return Architecture(
        n_layers=draw(st.integers(1, 64)),
        d_model=draw(st.integers(1, 8192)),
        n_heads=kv_heads * draw(st.integers(1, 8)),
        n_kv_heads=kv_heads,
        head_dim=draw(st.integers(1, 256)),
        d_ff=draw(st.integers(1, 32768)),
        vocab_size=draw(st.integers(1, 256_000)),
        tied_embeddings=draw(st.booleans()),
        gated_mlp=draw(st.booleans()),
        qk_norm=draw(st.booleans()),
        post_norm=draw(st.booleans()),
    )


def same(found, expected):
    """Beyond 2^53 the two add in another order: a few units in the last place."""
    assert found == (expected if expected < 2**53 else pytest.approx(expected, rel=1e-15))


@given(architectures(), st.integers(1, 512), st.integers(1, 32768), st.sampled_from([1, 2, 4]))
def test_the_work_is_what_an_architecture_counts(shape, batch, length, width):
    prefill, decode = (
        prefill_work(shape, batch, length, width),
        decode_work(shape, batch, length, width),
    )
    same(prefill.flops, shape.prefill_flops(batch, length))
    same(prefill.bytes, shape.prefill_bytes(batch, length, width))
    same(decode.flops, shape.decode_flops(batch, length))
    same(decode.bytes, shape.decode_bytes(batch, length, width))


@given(st.lists(architectures(), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_columns_count_as_each_architecture_does(shapes, all_logits, causal):
    names = ("n_layers", "d_model", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size")
    flags = ("gated_mlp", "qk_norm", "post_norm")
    columns = {n: np.array([float(getattr(s, n)) for s in shapes]) for n in (*names, *flags)}
    together = prefill_work(columns, 3, 50, 2, all_logits=all_logits, causal=causal)
    steps = decode_work(columns, 3, 50, 2)
    for row, shape in enumerate(shapes):
        alone = prefill_work(shape, 3, 50, 2, all_logits=all_logits, causal=causal)
        step = decode_work(shape, 3, 50, 2)
        for kind in KINDS:
            assert getattr(together, kind)[row] == pytest.approx(getattr(alone, kind), rel=1e-14)
            assert getattr(steps, kind)[row] == pytest.approx(getattr(step, kind), rel=1e-14)


def test_means_over_layers_give_the_sum_over_layers():
    layers = [(4, 128), (8, 256), (2, 512)]
    one = [
        Architecture(1, 64, heads, heads, 16, d_ff, 100, gated_mlp=False) for heads, d_ff in layers
    ]
    heads, d_ff = (np.mean(values) for values in zip(*layers, strict=True))
    mean = {
        "n_layers": 3, "d_model": 64, "n_heads": heads, "n_kv_heads": heads, "head_dim": 16,
        "d_ff": d_ff, "vocab_size": 100, "gated_mlp": 0,
    }  # fmt: skip
    whole = prefill_work(mean, 2, 10, 4)
    parts = sum((prefill_work(a, 2, 10, 4) for a in one[1:]), start=prefill_work(one[0], 2, 10, 4))
    head = 2 * 100 * 64  # of each sequence, once instead of three times
    assert whole.gemm_flops == pytest.approx(parts.gemm_flops - 2 * 2 * head)
    assert whole.attention_flops == pytest.approx(parts.attention_flops)
    assert whole.cache_bytes == pytest.approx(parts.cache_bytes)
    assert whole.score_bytes == pytest.approx(parts.score_bytes)


def test_logits_of_all_positions_and_an_encoder_s_attention_cost_more():
    last, every = (prefill_work(SMALL, 2, 10, 2, all_logits=flag) for flag in (False, True))
    assert every.gemm_flops - last.gemm_flops == 2 * 256 * 64 * 2 * 9
    assert every.activation_bytes - last.activation_bytes == 2 * 256 * 2 * 9
    both_ways = prefill_work(SMALL, 2, 10, 2, causal=False)
    assert both_ways.attention_flops / last.attention_flops == pytest.approx(10 / 5.5)


def test_scores_are_four_passes_over_every_head_s_matrix():
    assert prefill_work(SMALL, 2, 10, 2).score_bytes == 2 * 4 * 2 * 4 * 10 * 10 * 2
    assert decode_work(SMALL, 2, 10, 2).score_bytes == 2 * 4 * 2 * 4 * 10 * 2


def test_activations_of_an_unfused_block_by_hand():
    queries, keys, values = 6 * 4 * 16, 4 * 2 * 16, 2 * 2 * 16
    a_token = 2 * (14 * 64 + queries + keys + values + 6 * 128)
    assert prefill_work(SMALL, 1, 1, 2).activation_bytes == 2 * (a_token + 256)


def test_work_adds_and_scales():
    one = decode_work(SMALL, 1, 5, 2)
    for kind in KINDS:
        assert getattr(3 * one + one, kind) == 4 * getattr(one, kind)
