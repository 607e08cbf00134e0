import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture, Workload


@st.composite
def architectures(draw):
    n_kv_heads = draw(st.integers(1, 8))
    return Architecture(
        n_layers=draw(st.integers(1, 64)),
        d_model=draw(st.integers(8, 4096)),
        n_kv_heads=n_kv_heads,
        n_heads=n_kv_heads * draw(st.integers(1, 8)),
        head_dim=draw(st.sampled_from([16, 64, 128])),
        d_ff=draw(st.integers(8, 8192)),
        vocab_size=draw(st.integers(2, 200_000)),
        tied_embeddings=draw(st.booleans()),
        gated_mlp=draw(st.booleans()),
        qk_norm=draw(st.booleans()),
        post_norm=draw(st.booleans()),
    )


@given(architectures())
def test_groups_add_up_and_the_body_is_what_is_not_embedding_or_head(network):
    groups = network.params_by_group
    assert sum(groups.values()) == network.n_params
    assert network.n_params - network.n_params_body == groups["embedding"] + groups["head"]
    assert network.relative_width == pytest.approx(
        network.d_model / math.sqrt(network.n_params_body)
    )


@given(architectures())
def test_a_round_trip_through_a_dictionary_changes_nothing(network):
    assert Architecture.from_dict(network.to_dict()) == network


@given(architectures(), st.integers(1, 64), st.integers(1, 4096))
def test_prefill_costs_what_decoding_every_prompt_token_costs(network, batch, prompt):
    # Reading T tokens at once is T decode steps, but for the head, which only the last one needs.
    steps = sum(network.decode_flops(batch, context) for context in (1, prompt)) / 2 * prompt
    saved = 2.0 * batch * network.embedding_params * (prompt - 1)
    assert network.prefill_flops(batch, prompt) == pytest.approx(steps - saved, rel=1e-9)


@given(architectures(), st.integers(1, 64), st.integers(1, 4096))
def test_more_sequences_or_context_never_cost_less(network, batch, context):
    assert network.decode_flops(batch + 1, context) > network.decode_flops(batch, context)
    assert network.decode_bytes(batch, context + 1) > network.decode_bytes(batch, context)
    assert network.serving_bytes(batch + 1, context) > network.serving_bytes(batch, context)


def test_flops_formulas_are_named_and_differ_as_they_should():
    network = Architecture(16, 2048, 32, 8, 64, 8192, 128_256, tied_embeddings=True)
    assert network.train_flops_per_token("6n_params") == 6.0 * network.n_params
    assert network.train_flops_per_token("6n_params_body") == 6.0 * network.n_params_body
    # Chowdhery et al. 2022, appendix B: 6 N_matmul + 12 L H Q T.
    matmul = network.attention_params + network.mlp_params + network.embedding_params
    assert network.train_flops_per_token("attention_aware", seq_len=2048) == pytest.approx(
        6 * matmul + 12 * 16 * 32 * 64 * 2048
    )
    with pytest.raises(InvalidInputError, match="attention_aware"):
        network.train_flops_per_token("chinchilla")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n_kv_heads": 3}, "multiple of n_kv_heads"),
        ({"d_model": 0}, "d_model must be a whole number"),
        ({"d_model": 64.0}, "not billions or floats"),
        ({"tied_embeddings": 1}, "true or false"),
    ],
)
def test_a_shape_that_cannot_be_built_says_why(change, match):
    good = dict(
        n_layers=2, d_model=64, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=128, vocab_size=257
    )
    with pytest.raises(InvalidInputError, match=match):
        Architecture(**{**good, **change})


def test_unknown_fields_are_named():
    with pytest.raises(InvalidInputError, match="hidden_size"):
        Architecture.from_dict({"hidden_size": 3})
    with pytest.raises(InvalidInputError, match="lacks"):
        Architecture.from_dict({"n_layers": 3})


def test_workload_counts_weights_cache_and_activations():
    network = Architecture(2, 64, 4, 2, 16, 128, 257)
    work = Workload(batch_size=3, prompt_tokens=10, output_tokens=6, precision="bfloat16")
    cache = 3 * 16 * 2 * 2 * 2 * 16 * 2
    activations = 3 * 16 * 2 * (2 * 64 + 64 + 2 * 128)
    assert work.memory_bytes(network) == 2 * network.n_params + cache + activations
    with pytest.raises(InvalidInputError, match="precision"):
        Workload(precision="int3")
