import random
from dataclasses import replace

import pytest
import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab import BACKENDS, Network
from bayeslaw.space import Architecture


def random_architecture(seed):
    pick = random.Random(seed)
    n_kv_heads = pick.choice([1, 2, 3, 4])
    return Architecture(
        n_layers=pick.randint(1, 6),
        d_model=pick.choice([8, 24, 32, 56, 96]),
        n_heads=n_kv_heads * pick.choice([1, 2, 3]),
        n_kv_heads=n_kv_heads,
        head_dim=2 * pick.randint(2, 16),
        d_ff=pick.randint(8, 200),
        vocab_size=pick.randint(16, 300),
        tied_embeddings=pick.random() < 0.5,
        gated_mlp=pick.random() < 0.5,
        qk_norm=pick.random() < 0.5,
    )


def group_of(name):
    if name in ("embedding", "head"):
        return name
    if "norm" in name:
        return "norms"
    return "attention" if "query_key_value" in name or "attention_out" in name else "mlp"


@pytest.mark.parametrize("seed", range(50))
def test_weights_add_up_to_the_formulas_in_every_group(seed):
    architecture = random_architecture(seed)
    network = Network(architecture, max_context=8)
    assert sum(p.numel() for p in network.parameters()) == architecture.n_params
    counted = dict.fromkeys(architecture.params_by_group, 0)
    for name, weight in network.named_parameters():
        counted[group_of(name)] += weight.numel()
    assert counted == architecture.params_by_group


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("attention", ["math", "sdpa_flash"])
def test_cached_decoding_equals_the_full_forward_pass(seed, attention):
    architecture = random_architecture(seed)
    network = Network(architecture, BACKENDS[attention], max_context=24, seed=seed).double()
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


@pytest.mark.parametrize("n_layers", [2, 24])
def test_the_untrained_network_is_about_as_good_as_guessing(tiny, n_layers):
    network = Network(replace(tiny, n_layers=n_layers, tied_embeddings=False), max_context=64)
    tokens = torch.randint(256, (8, 65), generator=torch.Generator().manual_seed(0))
    logits = network(tokens[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert 5.4 < loss.item() < 6.6  # log 256 is 5.55


def test_what_cannot_be_built_says_why(tiny):
    with pytest.raises(InvalidInputError, match="post_norm=False"):
        Network(replace(tiny, post_norm=True))
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
