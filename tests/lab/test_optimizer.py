import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from bayeslaw.lab.attention import BACKENDS
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.muon import MuonWithAdamW, orthogonalise
from bayeslaw.lab.train.optimizer import build_optimizer, set_learning_rate
from bayeslaw.runs import Hyperparameters

PLAIN = Hyperparameters(learning_rate=1e-2, batch_tokens=1024)
MUON = replace(PLAIN, optimizer="muon", embedding_rate=3e-3, vector_rate=1e-3)


@pytest.fixture
def network(tiny):
    return Network(tiny, BACKENDS["math"], max_context=32)


def step(network, optimizer, number):
    tokens = torch.randint(256, (4, 33), generator=torch.Generator().manual_seed(number))
    loss = F.cross_entropy(network(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def weights_of(network):
    return [weight.detach().clone() for weight in network.parameters()]


def same(ours, theirs):
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_default_hyperparameters_are_plain_adamw_to_the_last_bit(network):
    twin = copy.deepcopy(network)
    plain = torch.optim.AdamW(
        [
            {"params": [w for w in twin.parameters() if w.ndim > 1], "weight_decay": 0.1},
            {"params": [w for w in twin.parameters() if w.ndim == 1], "weight_decay": 0.0},
        ],
        lr=1e-2, betas=(0.9, 0.95), eps=1e-10, fused=True,
    )  # fmt: skip
    ours = build_optimizer(network, PLAIN)
    for number, fraction in enumerate((0.3, 1.0, 0.7)):
        set_learning_rate(ours, fraction)
        for group in plain.param_groups:
            group["lr"] = 1e-2 * fraction
        step(network, ours, number)
        step(twin, plain, number)
    assert same(weights_of(network), weights_of(twin))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("change", [{}, {"qk_norm": True}, {"gated_mlp": False}])
@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_is_in_one_group_with_its_rate(tiny, optimizer, change, tied):
    network = Network(replace(tiny, tied_embeddings=tied, **change), BACKENDS["math"], 32)
    groups = build_optimizer(network, replace(MUON, optimizer=optimizer)).param_groups
    name_of = {weight: name for name, weight in network.named_parameters()}
    names = [name_of[weight] for group in groups for weight in group["params"]]
    assert sorted(names) == sorted(name_of.values())
    for group in groups:
        for weight in group["params"]:
            if weight.ndim == 1:
                assert (group["peak_rate"], group["weight_decay"]) == (1e-3, 0.0)
            elif name_of[weight] in ("embedding", "head"):
                assert (group["peak_rate"], group["weight_decay"]) == (3e-3, 0.1)
            else:
                assert (group["peak_rate"], group["weight_decay"]) == (1e-2, 0.1)


def test_a_fraction_moves_every_rate_from_its_own_peak(network):
    optimizer = build_optimizer(network, replace(MUON, optimizer="adamw"))
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [5e-3, 1.5e-3, 5e-4]


@pytest.mark.parametrize("numbers", [PLAIN, MUON])
def test_a_restored_state_goes_on_to_the_last_bit(network, numbers, tmp_path):
    optimizer = build_optimizer(network, numbers)
    set_learning_rate(optimizer, 0.5)
    for number in range(3):
        step(network, optimizer, number)
    twin = copy.deepcopy(network)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    restored = build_optimizer(twin, numbers)
    restored.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for number in range(3, 6):
        step(network, optimizer, number)
        step(twin, restored, number)
    assert same(weights_of(network), weights_of(twin))


@pytest.mark.parametrize("shape", [(3, 16, 48), (2, 48, 16), (1, 32, 32)])
def test_orthogonalised_matrices_keep_their_directions_with_equal_strength(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    result = orthogonalise(matrices)
    strengths = torch.diagonal(left.mT @ result @ right.mT, dim1=-2, dim2=-1)
    assert strengths.min() > 0.2  # a square matrix has singular values near zero
    assert strengths.max() < 1.25
    assert torch.allclose(left * strengths[:, None] @ right, result, atol=1e-4)
    assert orthogonalise(torch.zeros(1, 4, 4)).abs().max() == 0


def test_muon_takes_the_first_step_of_its_formula_on_every_part(network):
    numbers = replace(MUON, momentum=0.9)
    optimizer = build_optimizer(network, numbers)
    before = network.blocks[0].query_key_value.detach().clone()
    step(network, optimizer, 0)
    weight = network.blocks[0].query_key_value
    # The first average is 0.1 g, and Nesterov's look ahead 0.9 * 0.1 g + 0.1 g: g's direction.
    expected = before * (1 - 1e-2 * 0.1)
    for rows in (slice(0, 32), slice(32, 48), slice(48, 64)):
        update = orthogonalise(weight.grad[None, rows])[0]
        expected[rows] -= 1e-2 * 0.2 * math.sqrt(max(update.shape)) * update
    assert torch.allclose(weight.detach(), expected, atol=1e-6)


def test_muon_steps_are_as_large_as_adamws(network):
    for numbers in (PLAIN, replace(PLAIN, optimizer="muon")):
        twin = copy.deepcopy(network)
        optimizer = build_optimizer(twin, replace(numbers, weight_decay=0.0))
        for number in range(20):
            before = twin.blocks[1].mlp_in.detach().clone()
            step(twin, optimizer, number)
        change = (twin.blocks[1].mlp_in.detach() - before).square().mean().sqrt().item()
        assert 0.1 < change / 1e-2 < 0.6


def test_muon_leaves_other_weights_to_adamw(network):
    twin = copy.deepcopy(network)
    muon, adamw = build_optimizer(network, MUON), build_optimizer(twin, PLAIN)
    assert isinstance(muon, MuonWithAdamW)
    for group, rate in zip(adamw.param_groups, (1e-2, 3e-3, 1e-3), strict=True):
        group["lr"] = rate
    step(network, muon, 0)
    step(twin, adamw, 0)
    assert torch.equal(network.embedding, twin.embedding)
    assert torch.equal(network.last_norm, twin.last_norm)
    assert not torch.equal(network.blocks[0].mlp_in, twin.blocks[0].mlp_in)
