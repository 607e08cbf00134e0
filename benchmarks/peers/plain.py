"""A plain training loop, in the manner of nanoGPT's ``train.py`` and nanochat's network.

Written from scratch with torch's own modules (``nn.Linear``, ``nn.RMSNorm``, ``nn.Embedding``), with
rotary positions, grouped-query attention and SwiGLU, so that shape, FLOPs and parameters are ours.
torch alone is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayeslaw.lab.network import Network
from bayeslaw.runs import Hyperparameters
from bayeslaw.space import Architecture

EPSILON = 1e-6


class _Attention(nn.Module):
    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.sizes = (a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim, a.n_kv_heads * a.head_dim)
        self.head_dim, self.is_grouped = a.head_dim, a.n_heads != a.n_kv_heads
        self.c_attn = nn.Linear(a.d_model, sum(self.sizes), bias=False)
        self.c_proj = nn.Linear(a.n_heads * a.head_dim, a.d_model, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = (
            part.view(batch, time, -1, self.head_dim).transpose(1, 2)
            for part in self.c_attn(x).split(self.sizes, dim=2)
        )
        q, k = _turn(q, cosine, sine), _turn(k, cosine, sine)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.is_grouped)
        return self.c_proj(y.transpose(1, 2).contiguous().view(batch, time, -1))


class _MLP(nn.Module):
    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.gate = nn.Linear(a.d_model, a.d_ff, bias=False)
        self.up = nn.Linear(a.d_model, a.d_ff, bias=False)
        self.down = nn.Linear(a.d_ff, a.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class _Block(nn.Module):
    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.RMSNorm(a.d_model, eps=EPSILON), _Attention(a)
        self.ln_2, self.mlp = nn.RMSNorm(a.d_model, eps=EPSILON), _MLP(a)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x), cosine, sine)
        return x + self.mlp(self.ln_2(x))


class PlainNetwork(nn.Module):
    """Return the loss of a batch, as nanoGPT's model does."""

    def __init__(self, a: Architecture, seq_len: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(a.vocab_size, a.d_model)
        self.h = nn.ModuleList(_Block(a) for _ in range(a.n_layers))
        self.ln_f = nn.RMSNorm(a.d_model, eps=EPSILON)
        self.lm_head = nn.Linear(a.d_model, a.vocab_size, bias=False)
        if a.tied_embeddings:
            self.lm_head.weight = self.wte.weight
        rates = 10_000 ** (-torch.arange(0, a.head_dim, 2) / a.head_dim)
        angles = torch.outer(torch.arange(seq_len), rates)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(tokens)
        cosine, sine = self.get_buffer("cosine"), self.get_buffer("sine")
        for block in self.h:
            x = block(x, cosine, sine)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))

    @torch.no_grad()
    def copy_from(self, network: Network) -> None:
        """Start from our weights."""
        own = dict(self.named_parameters())
        theirs: dict[str, Tensor] = {
            "wte.weight": network.embedding,
            "ln_f.weight": network.last_norm,
        }
        if not network.architecture.tied_embeddings:
            theirs["lm_head.weight"] = network.head
        for layer, block in enumerate(network.blocks):
            weights = dict(block.named_parameters())
            gate, up = weights["mlp_in"].chunk(2)
            theirs |= {
                f"h.{layer}.{name}.weight": weight
                for name, weight in {
                    "ln_1": weights["attention_norm"],
                    "attn.c_attn": weights["query_key_value"],
                    "attn.c_proj": weights["attention_out"],
                    "ln_2": weights["mlp_norm"],
                    "mlp.gate": gate,
                    "mlp.up": up,
                    "mlp.down": weights["mlp_out"],
                }.items()
            }
        if own.keys() != theirs.keys():
            raise ValueError(f"weights that are not in both: {own.keys() ^ theirs.keys()}")
        for name, weight in theirs.items():
            own[name].copy_(weight)


def _turn(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    cosine, sine = cosine.to(heads.dtype), sine.to(heads.dtype)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


def plain_batch(
    data: np.ndarray, starts: Tensor, seq_len: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cut inputs and targets out of a memmap, one ``astype`` a sequence, as nanoGPT does."""
    x = torch.stack([torch.from_numpy(data[i : i + seq_len].astype(np.int64)) for i in starts])
    y = torch.stack(
        [torch.from_numpy(data[i + 1 : i + 1 + seq_len].astype(np.int64)) for i in starts]
    )
    if device.type == "cuda":
        x, y = (part.pin_memory().to(device, non_blocking=True) for part in (x, y))
    return x, y


def plain_optimizer(network: nn.Module, h: Hyperparameters) -> torch.optim.AdamW:
    """Return AdamW with decay on matrices alone; ours' epsilon, and fused as ours is."""
    weights = list(network.parameters())
    groups = [
        {"params": [w for w in weights if w.dim() >= 2], "weight_decay": h.weight_decay},
        {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=h.learning_rate, betas=(h.beta1, h.beta2), eps=1e-10, fused=True
    )


def plain_step(
    loss_of: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.AdamW,
    parts: Iterable[tuple[Tensor, Tensor]],
    n_parts: int,
    h: Hyperparameters,
    autocast: torch.autocast | None = None,
) -> Tensor:
    """Take one optimizer step over micro-batches; return the last one's loss, unread.

    Args:
        loss_of: The network, or it compiled.
        optimizer: Of its weights.
        parts: Micro-batches of one step: inputs and targets.
        n_parts: How many [count].
        h: Rate and clip.
        autocast: The precision to compute in; as the weights are when None.
    """
    loss = torch.zeros(())
    for group in optimizer.param_groups:
        group["lr"] = h.learning_rate
    for tokens, targets in parts:
        with autocast or nullcontext():
            loss = loss_of(tokens, targets)
        (loss / n_parts).backward()
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    torch.nn.utils.clip_grad_norm_(weights, h.grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach()
