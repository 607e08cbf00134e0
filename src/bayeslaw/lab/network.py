"""The network: a decoder-only transformer built from an `Architecture`.

Pre-norm blocks with RMSNorm (and norms after them too, when asked), rotary positions, grouped-query
attention and SwiGLU (or ReLU^2 when not gated), no biases: Llama's block with switches. Query, key and value projections are one
matrix, and so are gate and up: fewer, larger products, the same number of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.attention import BACKENDS, AttentionBackend
from bayeslaw.lab.block import Block, rms_norm
from bayeslaw.lab.rotary import rotation_table
from bayeslaw.lab.settings import NetworkSettings
from bayeslaw.space import Architecture


@dataclass(slots=True)
class KVCache:
    """Hold keys and values of a batch, allocated once at its longest.

    Attributes:
        keys: ``(n_layers, batch, max_context, n_kv_heads, head_dim)``.
        values: Of the same shape.
        length: Tokens of each sequence that are in the cache [count].
    """

    keys: Tensor
    values: Tensor
    length: int = 0

    @property
    def max_context(self) -> int:
        """Most tokens that fit [count]."""
        return self.keys.shape[2]


class Network(nn.Module):
    """Compute next-token logits with the weights of one architecture.

    Args:
        architecture: The shape; ``sum(p.numel())`` equals its ``n_params``.
        attention: The kernel to use.
        max_context: Longest sequence, prompt and output together [count].
        seed: Of the random weights.
        settings: What the shape leaves open; by default a rotary base of 10,000, norms with 1e-6.

    Raises:
        InvalidInputError: An odd ``head_dim`` (RoPE turns pairs).
    """

    def __init__(
        self,
        architecture: Architecture,
        attention: AttentionBackend = BACKENDS["sdpa_flash"],
        max_context: int = 2048,
        seed: int = 0,
        settings: NetworkSettings | None = None,
    ) -> None:
        super().__init__()
        if architecture.head_dim % 2:
            raise InvalidInputError(
                f"head_dim must be even, rotary positions turn pairs; got {architecture.head_dim}"
            )
        self.architecture = architecture
        self.attention = attention
        self.max_context = max_context
        self.settings = settings or NetworkSettings()
        self.embedding = nn.Parameter(torch.empty(architecture.vocab_size, architecture.d_model))
        self.blocks = nn.ModuleList(
            Block(architecture, attention, self.settings.norm_epsilon)
            for _ in range(architecture.n_layers)
        )
        self.last_norm = nn.Parameter(torch.ones(architecture.d_model))
        if not architecture.tied_embeddings:
            self.head = nn.Parameter(torch.empty(architecture.vocab_size, architecture.d_model))
        self.register_buffer(
            "rotations",
            rotation_table(max_context, architecture.head_dim, self.settings),
            persistent=False,
        )
        self._initialize(seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``(batch, time, vocab)`` for tokens ``(batch, time)``."""
        rotations = self._rotations_of(0, tokens.shape[1])
        stream = F.embedding(tokens, self.embedding)
        for block in self.blocks:
            if self.settings.recompute_activations and torch.is_grad_enabled():
                stream = checkpoint(block, stream, rotations, use_reentrant=False)
            else:
                stream = block(stream, rotations)
        return self._logits(stream)

    def new_cache(self, batch_size: int, max_context: int | None = None) -> KVCache:
        """Allocate an empty cache on the weights' device and in their precision."""
        a = self.architecture
        length = self.max_context if max_context is None else max_context
        shape = (a.n_layers, batch_size, length, a.n_kv_heads, a.head_dim)
        return KVCache(keys=self.embedding.new_empty(shape), values=self.embedding.new_empty(shape))

    @torch.no_grad()
    def prefill(self, tokens: Tensor, cache: KVCache) -> Tensor:
        """Read prompts ``(batch, time)`` into an empty cache; return ``(batch, vocab)`` logits."""
        if cache.length:
            raise InvalidInputError(
                f"prefill needs an empty cache, this one holds {cache.length} tokens; set "
                f"cache.length = 0 to use it again"
            )
        return self._extend(tokens, cache)

    @torch.no_grad()
    def decode(self, token: Tensor, cache: KVCache) -> Tensor:
        """Read one more token ``(batch,)`` of each sequence; return ``(batch, vocab)`` logits."""
        return self._extend(token[:, None], cache)

    def _extend(self, tokens: Tensor, cache: KVCache) -> Tensor:
        start, end = cache.length, cache.length + tokens.shape[1]
        if end > cache.max_context:
            raise InvalidInputError(f"the cache holds {cache.max_context} tokens, {end} are needed")
        rotations = self._rotations_of(start, end)
        stream = F.embedding(tokens, self.embedding)
        for block, keys, values in zip(self.blocks, cache.keys, cache.values, strict=True):
            stream = block.extend(stream, rotations, keys[:, :end], values[:, :end])  # type: ignore[operator]
        cache.length = end
        return self._logits(stream[:, -1])

    def _logits(self, stream: Tensor) -> Tensor:
        head = self.embedding if self.architecture.tied_embeddings else self.head
        return F.linear(rms_norm(stream, self.last_norm, self.settings.norm_epsilon), head)

    def _rotations_of(self, start: int, end: int) -> Tensor:
        if end > self.max_context:
            raise InvalidInputError(
                f"this network was built for max_context={self.max_context}, got {end} tokens"
            )
        return self.get_buffer("rotations")[start:end]

    @torch.no_grad()
    def _initialize(self, seed: int) -> None:
        """Draw weights where they lie: on the CPU, unless built under ``torch.device("cuda")``.

        Built on the CPU and moved, one seed gives the same network on every device.
        """
        generator = torch.Generator(self.embedding.device).manual_seed(seed)
        # Each block adds twice to the residual stream: its sum keeps unit size at any depth.
        depth = 1 / math.sqrt(2 * self.architecture.n_layers)
        for name, weight in self.named_parameters():
            if weight.ndim == 1:
                # A norm after a block undoes the scale of its matrix: the gain carries it instead.
                weight.fill_(depth if name.endswith("post_norm") else 1.0)
                continue
            std = weight.shape[1] ** -0.5
            if name.endswith(("attention_out", "mlp_out")):
                std *= depth
            elif name in ("embedding", "head") and self.settings.embedding_std is not None:
                std = self.settings.embedding_std
            weight.normal_(0.0, std, generator=generator)
