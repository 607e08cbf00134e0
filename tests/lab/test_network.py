import cmath
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab import BACKENDS, Network, NetworkSettings, RopeScaling
from bayeslaw.space import Architecture


@st.composite
def architectures(draw):
    n_kv_heads = draw(st.integers(1, 4))
    return Architecture(
        n_layers=draw(st.integers(1, 5)),
        d_model=draw(st.integers(1, 12)) * 8,
        n_heads=n_kv_heads * draw(st.integers(1, 3)),
        n_kv_heads=n_kv_heads,
        head_dim=2 * draw(st.integers(2, 16)),
        d_ff=draw(st.integers(8, 200)),
        vocab_size=draw(st.integers(16, 300)),
        tied_embeddings=draw(st.booleans()),
        gated_mlp=draw(st.booleans()),
        qk_norm=draw(st.booleans()),
        post_norm=draw(st.booleans()),
    )


def group_of(name):
    if name in ("embedding", "head"):
        return name
    if "norm" in name:
        return "norms"
    return "attention" if "query_key_value" in name or "attention_out" in name else "mlp"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(architectures())
def test_weights_add_up_to_the_formulas_in_every_group(architecture):
    network = Network(architecture, max_context=8)
    assert sum(p.numel() for p in network.parameters()) == architecture.n_params
    counted = dict.fromkeys(architecture.params_by_group, 0)
    for name, weight in network.named_parameters():
        counted[group_of(name)] += weight.numel()
    assert counted == architecture.params_by_group


def rms(vector, gain, epsilon):
    scale = math.sqrt(sum(v * v for v in vector) / len(vector) + epsilon)
    return [g * v / scale for g, v in zip(gain, vector, strict=True)]


def product(matrix, vector):
    return [sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix]


def turn(head, position, base):
    """Rotate pairs (i, i + half) as complex numbers."""
    half = len(head) // 2
    turned = [
        complex(head[i], head[i + half]) * cmath.exp(1j * position * base ** (-i / half))
        for i in range(half)
    ]
    return [z.real for z in turned] + [z.imag for z in turned]


def logits_by_hand(network, tokens):
    """Compute the last token's logits number by number in Python's float64."""
    a, base, epsilon = (
        network.architecture,
        network.settings.rope_base,
        network.settings.norm_epsilon,
    )
    w = {name: weight.tolist() for name, weight in network.named_parameters()}
    streams = [w["embedding"][token] for token in tokens]
    for layer in range(a.n_layers):
        b = {name.split(".")[-1]: v for name, v in w.items() if name.startswith(f"blocks.{layer}.")}
        queries, keys, values = [], [], []
        for position, stream in enumerate(streams):
            flat = product(b["query_key_value"], rms(stream, b["attention_norm"], epsilon))
            heads = [flat[i : i + a.head_dim] for i in range(0, len(flat), a.head_dim)]
            query, key = heads[: a.n_heads], heads[a.n_heads : a.n_heads + a.n_kv_heads]
            if a.qk_norm:
                query = [rms(head, b["query_norm"], epsilon) for head in query]
                key = [rms(head, b["key_norm"], epsilon) for head in key]
            queries.append([turn(head, position, base) for head in query])
            keys.append([turn(head, position, base) for head in key])
            values.append(heads[a.n_heads + a.n_kv_heads :])
        for position, stream in enumerate(streams):
            mixed = []
            for head in range(a.n_heads):
                shared = head // (a.n_heads // a.n_kv_heads)
                seen = range(position + 1)
                scores = [
                    math.exp(
                        sum(
                            q * k
                            for q, k in zip(queries[position][head], keys[t][shared], strict=True)
                        )
                        / math.sqrt(a.head_dim)
                    )
                    for t in seen
                ]
                mixed += [
                    sum(scores[t] * values[t][shared][i] for t in seen) / sum(scores)
                    for i in range(a.head_dim)
                ]
            added = product(b["attention_out"], mixed)
            if a.post_norm:
                added = rms(added, b["attention_post_norm"], epsilon)
            stream = [s + v for s, v in zip(stream, added, strict=True)]
            hidden = product(b["mlp_in"], rms(stream, b["mlp_norm"], epsilon))
            if a.gated_mlp:
                gate, up = hidden[: a.d_ff], hidden[a.d_ff :]
                hidden = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up, strict=True)]
            else:
                hidden = [max(h, 0.0) ** 2 for h in hidden]
            added = product(b["mlp_out"], hidden)
            if a.post_norm:
                added = rms(added, b["mlp_post_norm"], epsilon)
            streams[position] = [s + v for s, v in zip(stream, added, strict=True)]
    return product(
        w["embedding" if a.tied_embeddings else "head"], rms(streams[-1], w["last_norm"], epsilon)
    )


@pytest.mark.parametrize("gated_mlp", [True, False])
@pytest.mark.parametrize("post_norm", [True, False])
@pytest.mark.parametrize("qk_norm", [True, False])
def test_logits_are_those_of_arithmetic_written_out(gated_mlp, post_norm, qk_norm):
    architecture = Architecture(
        n_layers=2, d_model=12, n_heads=4, n_kv_heads=2, head_dim=6, d_ff=20, vocab_size=17,
        tied_embeddings=qk_norm, gated_mlp=gated_mlp, qk_norm=qk_norm, post_norm=post_norm,
    )  # fmt: skip
    chosen = NetworkSettings(rope_base=500.0, norm_epsilon=1e-2)
    network = Network(architecture, BACKENDS["math"], 8, settings=chosen)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in network.parameters():  # gains of all sizes, so that none can be mixed up
            if weight.ndim == 1:
                weight.uniform_(0.5, 1.5, generator=generator)
    tokens = [3, 16, 0, 8, 5]
    expected = torch.tensor(logits_by_hand(network, tokens), dtype=torch.float64)
    with torch.inference_mode():
        single = network(torch.tensor([tokens]))[0, -1]
        exact = network.double()(torch.tensor([tokens]))[0, -1]
    assert (single - expected).norm() / expected.norm() < 1e-5
    assert (exact - expected).norm() / expected.norm() < 1e-7  # its rotary table is float32


@pytest.mark.parametrize("attention", ["math", "sdpa_flash"])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(architecture=architectures(), seed=st.integers(0, 100))
def test_cached_decoding_equals_the_full_forward_pass(attention, architecture, seed):
    scaled = NetworkSettings(rope_scaling=RopeScaling(original_context=16))
    network = Network(architecture, BACKENDS[attention], 24, seed, scaled).double()
    tokens = torch.randint(
        architecture.vocab_size, (3, 20), generator=torch.Generator().manual_seed(seed)
    )
    with torch.inference_mode():
        full = network(tokens)
        cache = network.new_cache(3)
        steps = [network.prefill(tokens[:, :12], cache)]
        steps += [network.decode(tokens[:, t], cache) for t in range(12, 20)]
    assert cache.length == 20
    torch.testing.assert_close(torch.stack(steps, dim=1), full[:, 11:], rtol=1e-9, atol=1e-9)


def test_a_prompt_of_one_token_is_prefilled_too(tiny):
    network = Network(tiny, max_context=4).double()
    tokens = torch.tensor([[7, 8]])
    cache = network.new_cache(1)
    network.prefill(tokens[:, :1], cache)
    torch.testing.assert_close(network.decode(tokens[:, 1], cache), network(tokens)[:, 1])


def test_later_tokens_do_not_change_earlier_logits(tiny):
    network = Network(tiny, max_context=16)
    tokens = torch.arange(16)[None]
    changed = tokens.clone()
    changed[0, 10:] += 50
    assert torch.equal(network(tokens)[:, :10], network(changed)[:, :10])
    assert not torch.equal(network(tokens)[:, 10:], network(changed)[:, 10:])


def test_order_of_tokens_matters_through_rotary_positions(tiny):
    network = Network(replace(tiny, n_layers=1), max_context=8)
    swapped = network(torch.tensor([[3, 5, 9]]))[0, -1], network(torch.tensor([[5, 3, 9]]))[0, -1]
    assert (swapped[0] - swapped[1]).abs().max() > 1e-4


def test_one_seed_gives_one_network_and_another_seed_another(tiny):
    first, same, other = (Network(tiny, max_context=8, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.embedding, same.embedding)
    assert not torch.equal(first.embedding, other.embedding)


@pytest.mark.parametrize("post_norm", [False, True])
@pytest.mark.parametrize("n_layers", [2, 24])
def test_the_untrained_network_is_about_as_good_as_guessing(tiny, n_layers, post_norm):
    architecture = replace(tiny, n_layers=n_layers, tied_embeddings=False, post_norm=post_norm)
    network = Network(architecture, max_context=64)
    tokens = torch.randint(256, (8, 65), generator=torch.Generator().manual_seed(0))
    logits = network(tokens[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert 5.4 < loss.item() < 6.6  # log 256 is 5.55


def test_what_cannot_be_built_says_why(tiny):
    with pytest.raises(InvalidInputError, match="head_dim must be even"):
        Network(replace(tiny, head_dim=7))


def test_a_full_cache_and_a_used_cache_say_so(tiny):
    network = Network(tiny, max_context=4)
    cache = network.new_cache(1)
    network.prefill(torch.zeros(1, 4, dtype=torch.long), cache)
    with pytest.raises(InvalidInputError, match="holds 4 tokens, 5 are needed"):
        network.decode(torch.zeros(1, dtype=torch.long), cache)
    with pytest.raises(InvalidInputError, match="empty cache"):
        network.prefill(torch.zeros(1, 4, dtype=torch.long), cache)
    with pytest.raises(InvalidInputError, match="max_context=4"):
        network(torch.zeros(1, 5, dtype=torch.long))


def test_default_settings_are_those_that_jobs_have_always_had(tiny):
    network = Network(tiny, max_context=4)
    assert network.settings == NetworkSettings(10_000.0, None, 1e-6)
    slowest = 10_000.0 ** (-3 / 4)
    torch.testing.assert_close(
        network.get_buffer("rotations")[3, :, 0, 3],
        torch.tensor([math.cos(3 * slowest), -math.sin(3 * slowest)]),
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: NetworkSettings(rope_base=1.0), "rope_base must be above 1, got 1.0"),
        (lambda: NetworkSettings(norm_epsilon=0.0), "norm_epsilon must be above 0"),
        (lambda: NetworkSettings(embedding_std=-1.0), "embedding_std must be above 0"),
        (lambda: RopeScaling(factor=0.5), "factor must be at least 1"),
        (lambda: RopeScaling(low_frequency_factor=4.0), "low_frequency_factor < high"),
        (lambda: RopeScaling(original_context=0), "original_context must be at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(InvalidInputError, match=message):
        wrong()


@pytest.mark.parametrize("post_norm", [False, True])
def test_the_residual_stream_starts_at_one_size_whatever_the_depth(tiny, post_norm):
    sizes = []
    for n_layers in (2, 32):
        network = Network(replace(tiny, n_layers=n_layers, post_norm=post_norm), max_context=16)
        streams = []
        network.blocks[-1].register_forward_hook(lambda *given, kept=streams: kept.append(given[2]))
        network(torch.arange(64).reshape(4, 16))
        sizes.append(streams[0].square().mean().sqrt().item())
    assert max(sizes) / min(sizes) < 1.5


@pytest.mark.parametrize("attention", ["math", "sdpa_flash"])
def test_recomputed_activations_give_the_same_gradients(tiny, attention):
    gradients = []
    for is_recomputed in (False, True):
        chosen = NetworkSettings(recompute_activations=is_recomputed)
        network = Network(tiny, BACKENDS[attention], 16, settings=chosen)
        network(torch.arange(32).reshape(2, 16)).square().sum().backward()
        gradients.append([weight.grad for weight in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("tied_embeddings", [True, False])
def test_embeddings_and_head_start_at_the_size_that_is_asked_for(tiny, tied_embeddings):
    shape = replace(tiny, tied_embeddings=tied_embeddings)
    usual = Network(shape, max_context=4)
    asked = Network(shape, max_context=4, settings=NetworkSettings(embedding_std=0.02))
    for name, weight in asked.named_parameters():
        factor = 0.02 * tiny.d_model**0.5 if name in ("embedding", "head") else 1.0
        torch.testing.assert_close(weight, usual.get_parameter(name) * factor)
