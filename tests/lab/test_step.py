from functools import partial

import numpy as np
import pytest
import torch

from bayeslaw.lab.network import Network
from bayeslaw.lab.rotary import rotate, rotation_table
from bayeslaw.lab.train.optimizer import build_optimizer
from bayeslaw.lab.train.step import TrainingStep
from bayeslaw.lab.train.world import World
from bayeslaw.runs import Hyperparameters

BATCH = np.random.default_rng(0).integers(256, size=(4, 17), dtype=np.uint16)


def losses(architecture, n_steps=3, **options):
    network = Network(architecture, max_context=16, seed=0)
    h = Hyperparameters(learning_rate=1e-2, batch_tokens=64, seq_len=16)
    step = TrainingStep(
        network,
        build_optimizer(network, h),
        World(0, 1, torch.device("cpu")),
        grad_clip=h.grad_clip,
        autocast=torch.autocast("cpu", dtype=torch.bfloat16, enabled=False),
        **options,
    )
    return [float(step(BATCH, 1.0)) for _ in range(n_steps)]


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch's tracer asks for it
@pytest.mark.parametrize("micro_sequences", [None, 3])
def test_a_compiled_step_has_the_losses_of_a_plain_one(tiny, micro_sequences, monkeypatch):
    plain = losses(tiny, micro_sequences=micro_sequences)
    # Traced and differentiated as always, but not handed to a C++ compiler: seconds, and no g++.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    torch.compiler.reset()
    compiled = losses(tiny, micro_sequences=micro_sequences, compile=True)
    torch.compiler.reset()
    assert compiled == pytest.approx(plain, abs=1e-5)
    assert plain[-1] < plain[0]


def test_micro_batches_add_up_to_the_whole_batch(tiny):
    assert losses(tiny, micro_sequences=3) == pytest.approx(losses(tiny), abs=1e-5)


def test_rotating_swaps_halves_as_its_formula_says():
    heads = torch.randn(2, 5, 3, 8, generator=torch.Generator().manual_seed(0))
    table = rotation_table(5, 8)
    cosine, sine = table[:, 0, :, :4], table[:, 1, :, 4:]
    first, second = heads.chunk(2, dim=-1)
    expected = torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
    torch.testing.assert_close(rotate(heads, table), expected)
