"""The trainers that the GPU benchmark races, each as a function that takes one optimizer step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bayeslaw.lab.attention import attention_backend
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.optimizer import build_optimizer
from bayeslaw.lab.train.step import TrainingStep
from bayeslaw.lab.train.world import World
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Architecture
from benchmarks.peers.hf_llama import hf_llama
from benchmarks.peers.plain import PlainNetwork, plain_batch, plain_optimizer, plain_step

Step = Callable[[], torch.Tensor]


@dataclass(frozen=True, slots=True)
class GpuShape:
    """Name one network and its batch."""

    name: str
    n_layers: int
    d_model: int
    n_heads: int
    d_ff: int
    vocab_size: int = 50304
    seq_len: int = 2048
    batch_sequences: int = 64

    @property
    def architecture(self) -> Architecture:
        return Architecture(
            n_layers=self.n_layers, d_model=self.d_model, n_heads=self.n_heads,
            n_kv_heads=self.n_heads, head_dim=self.d_model // self.n_heads, d_ff=self.d_ff,
            vocab_size=self.vocab_size, tied_embeddings=True,
        )  # fmt: skip

    @property
    def hyperparameters(self) -> Hyperparameters:
        return Hyperparameters(
            learning_rate=3e-4,
            batch_tokens=self.batch_sequences * self.seq_len,
            seq_len=self.seq_len,
        )

    @property
    def flops_per_step(self) -> float:
        per_token = self.architecture.train_flops_per_token("attention_aware", self.seq_len)
        return per_token * self.batch_sequences * self.seq_len

    def micro_sequences(self, memory_bytes: float) -> int:
        """Return the largest power of two of sequences that fits, by a cautious estimate.

        The estimate is of the hungriest contestant, eager: 16 bytes a weight (weight, gradient, two
        moments), per token 14 bytes a logit and what a block keeps for its backward pass.
        """
        a = self.architecture
        per_token = 14 * a.vocab_size + a.n_layers * (40 * a.d_model + 10 * a.d_ff)
        free = 0.85 * memory_bytes - 16 * a.n_params
        n = self.batch_sequences
        while n > 1 and n * self.seq_len * per_token > free:
            n //= 2
        return n


SHAPES = (
    GpuShape("125M", 12, 768, 12, 2048),
    GpuShape("350M", 24, 1024, 16, 2816),
    GpuShape("1B", 18, 2048, 16, 5632),
    GpuShape("60M", 10, 512, 8, 1408),
)
SMOKE_SHAPES = (GpuShape("smoke", 2, 32, 2, 64, vocab_size=512, seq_len=64, batch_sequences=4),)

CONTESTANTS = ("ours compiled", "plain compiled", "plain eager", "ours eager", "transformers eager")
"""In the order in which they run; the first two are what the headline compares."""


def contestant(name: str, shape: GpuShape, micro: int, device: torch.device) -> Step:
    """Build one; all have the same shape, batch, micro-batch and optimizer settings.

    Args:
        name: Of `CONTESTANTS`.
        shape: To train.
        micro: Sequences read at once [count].
        device: Where to train.

    Raises:
        UnavailableError: transformers is not installed, or the device has no such attention.
    """
    who, _, how = name.partition(" ")
    autocast = torch.autocast(device.type, dtype=torch.bfloat16)
    tokens = np.random.default_rng(0).integers(shape.vocab_size, size=2**22, dtype=np.uint16)
    build = _ours if who == "ours" else _peer
    return build(who, shape, micro, device, autocast, tokens, how == "compiled")


def _ours(
    who: str, shape: GpuShape, micro: int, device: torch.device, autocast: torch.autocast,
    tokens: np.ndarray, compile: bool,
) -> Step:  # fmt: skip
    a, h = shape.architecture, shape.hyperparameters
    attention = attention_backend("sdpa_flash", device, torch.bfloat16, a.head_dim)
    network = Network(a, attention, max_context=shape.seq_len).to(device)
    step = TrainingStep(
        network,
        build_optimizer(network, h),
        World(0, 1, device),
        grad_clip=h.grad_clip,
        autocast=autocast,
        micro_sequences=micro,
        compile=compile,
    )
    random = np.random.default_rng(1)

    def take() -> torch.Tensor:
        starts = random.integers(len(tokens) - shape.seq_len - 1, size=shape.batch_sequences)
        return step(np.stack([tokens[i : i + shape.seq_len + 1] for i in starts]), 1.0)

    return take


def _peer(
    who: str, shape: GpuShape, micro: int, device: torch.device, autocast: torch.autocast,
    tokens: np.ndarray, compile: bool,
) -> Step:  # fmt: skip
    a, h = shape.architecture, shape.hyperparameters
    # Random weights of a sane size are enough here; benchmarks.trainer checks that all learn alike.
    torch.manual_seed(0)
    network = (PlainNetwork if who == "plain" else hf_llama)(a, shape.seq_len)
    network.requires_grad_(True).to(device)
    optimizer = plain_optimizer(network, h)
    loss_of = torch.compile(network) if compile else network

    def take() -> torch.Tensor:
        parts = (
            plain_batch(
                tokens, torch.randint(len(tokens) - shape.seq_len, (micro,)), shape.seq_len, device
            )
            for _ in range(shape.batch_sequences // micro)
        )
        return plain_step(loss_of, optimizer, parts, shape.batch_sequences // micro, h, autocast)

    return take
