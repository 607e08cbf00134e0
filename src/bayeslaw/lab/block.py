"""One block of the network, and the two functions it is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayeslaw.lab.attention import AttentionBackend
from bayeslaw.space import Architecture

ROPE_BASE = 10_000.0
NORM_EPSILON = 1e-6


class Block(nn.Module):
    """Attend, then transform each token: ``x + attention(norm(x))``, ``x + mlp(norm(x))``."""

    def __init__(self, architecture: Architecture, attention: AttentionBackend) -> None:
        super().__init__()
        a = architecture
        self.n_heads, self.n_kv_heads, self.head_dim = a.n_heads, a.n_kv_heads, a.head_dim
        self.gated, self.attend = a.gated_mlp, attention
        self.attention_norm = nn.Parameter(torch.ones(a.d_model))
        self.query_key_value = nn.Parameter(
            torch.empty((a.n_heads + 2 * a.n_kv_heads) * a.head_dim, a.d_model)
        )
        self.attention_out = nn.Parameter(torch.empty(a.d_model, a.n_heads * a.head_dim))
        self.mlp_norm = nn.Parameter(torch.ones(a.d_model))
        self.mlp_in = nn.Parameter(torch.empty((1 + a.gated_mlp) * a.d_ff, a.d_model))
        self.mlp_out = nn.Parameter(torch.empty(a.d_model, a.d_ff))
        self.query_norm = nn.Parameter(torch.ones(a.head_dim)) if a.qk_norm else None
        self.key_norm = nn.Parameter(torch.ones(a.head_dim)) if a.qk_norm else None

    def forward(self, stream: Tensor, rotations: Tensor) -> Tensor:
        """Map the residual stream ``(batch, time, d_model)`` to the next block's."""
        query, key, value = self._project(stream, rotations)
        stream = self._add_attention(stream, self.attend(query, key, value, True))
        return self._add_mlp(stream)

    def extend(self, stream: Tensor, rotations: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Do the same for the newest tokens, writing their keys and values into the cache.

        ``keys`` and ``values`` are the layer's cache up to and with the new tokens,
        ``(batch, context, n_kv_heads, head_dim)``.
        """
        query, key, value = self._project(stream, rotations)
        time = stream.shape[1]
        keys[:, -time:], values[:, -time:] = key, value
        is_prompt = time == keys.shape[1]
        mixed = self.attend(query, keys, values, is_prompt and time > 1)
        return self._add_mlp(self._add_attention(stream, mixed))

    def _project(self, stream: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        projected = F.linear(rms_norm(stream, self.attention_norm), self.query_key_value)
        heads = projected.unflatten(-1, (-1, self.head_dim))  # (batch, time, heads, head_dim)
        if self.query_norm is None or self.key_norm is None:
            query_key, value = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], 2)
            turned = rotate(query_key, rotations)
            query, key = turned.split([self.n_heads, self.n_kv_heads], dim=2)
            return query, key, value
        query, key, value = heads.split([self.n_heads, self.n_kv_heads, self.n_kv_heads], dim=2)
        query, key = rms_norm(query, self.query_norm), rms_norm(key, self.key_norm)
        return rotate(query, rotations), rotate(key, rotations), value

    def _add_attention(self, stream: Tensor, mixed: Tensor) -> Tensor:
        return stream + F.linear(mixed.flatten(-2), self.attention_out)

    def _add_mlp(self, stream: Tensor) -> Tensor:
        hidden = F.linear(rms_norm(stream, self.mlp_norm), self.mlp_in)
        if self.gated:
            gate, up = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * up
        else:
            hidden = F.relu(hidden).square()
        return stream + F.linear(hidden, self.mlp_out)


def rms_norm(values: Tensor, gain: Tensor) -> Tensor:
    """Divide by the root mean square over the last axis (Zhang & Sennrich 2019, eq. 4)."""
    return F.rms_norm(values, (values.shape[-1],), gain.to(values.dtype), NORM_EPSILON)


def rotate(heads: Tensor, rotations: Tensor) -> Tensor:
    """Turn pairs of ``(batch, time, heads, head_dim)`` by their position's angles (RoPE).

    Source:
        Su et al. (2021), arXiv:2104.09864, eq. 34, with halves as pairs (GPT-NeoX's layout).
    """
    cosine, sine = rotations.to(heads.dtype).unbind(dim=1)  # each (time, 1, head_dim)
    half = heads.shape[-1] // 2
    turned = torch.cat((heads[..., half:], heads[..., :half]), dim=-1)
    return heads * cosine + turned * sine


def rotation_table(max_context: int, head_dim: int) -> Tensor:
    """Tabulate cosines and signed sines, ``(time, 2, 1, head_dim)``."""
    frequencies = ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.arange(max_context, dtype=torch.float64)[:, None] * frequencies
    cosine = angles.cos().repeat(1, 2)
    sine = torch.cat((-angles.sin(), angles.sin()), dim=-1)
    return torch.stack((cosine, sine), dim=1)[:, :, None].to(torch.float32)
