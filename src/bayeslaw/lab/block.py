"""One block of the network, and the norm it is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayeslaw.lab.attention import AttentionBackend
from bayeslaw.lab.rotary import rotate
from bayeslaw.space import Architecture


class Block(nn.Module):
    """Attend, then transform each token: ``x + attention(norm(x))``, ``x + mlp(norm(x))``.

    With ``post_norm`` what is added is normed as well: ``x + norm(attention(norm(x)))``.

    Args:
        architecture: The network's shape.
        attention: The kernel to use.
        norm_epsilon: Added to the mean square in each norm.
    """

    def __init__(
        self, architecture: Architecture, attention: AttentionBackend, norm_epsilon: float
    ) -> None:
        super().__init__()
        a = architecture
        self.n_heads, self.n_kv_heads, self.head_dim = a.n_heads, a.n_kv_heads, a.head_dim
        self.gated, self.attend, self.norm_epsilon = a.gated_mlp, attention, norm_epsilon
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
        self.attention_post_norm = nn.Parameter(torch.ones(a.d_model)) if a.post_norm else None
        self.mlp_post_norm = nn.Parameter(torch.ones(a.d_model)) if a.post_norm else None

    def forward(self, stream: Tensor, rotations: Tensor) -> Tensor:
        """Map the residual stream ``(batch, time, d_model)`` to the next block's."""
        query, key, value = self._project(stream, rotations)
        mixed = self.attend(query, key, value, True)
        stream = stream + self._attention_output(mixed)
        return stream + self._mlp_output(self._mlp_hidden(stream))

    def extend(self, stream: Tensor, rotations: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Do the same for the newest tokens, writing their keys and values into the cache.

        ``keys`` and ``values`` are the layer's cache up to and with the new tokens,
        ``(batch, context, n_kv_heads, head_dim)``. Without post-norms, ``stream`` is changed in
        place: the matmul adds to it as it writes, which saves a kernel on a GPU.
        """
        query, key, value = self._project(stream, rotations)
        time = stream.shape[1]
        keys[:, -time:], values[:, -time:] = key, value
        is_prompt = time == keys.shape[1]
        mixed = self.attend(query, keys, values, is_prompt and time > 1)
        if self.attention_post_norm is not None:
            stream = stream + self._attention_output(mixed)
            return stream + self._mlp_output(self._mlp_hidden(stream))
        tokens = stream.flatten(0, 1)  # a view: what is added to it is added to the stream
        tokens.addmm_(mixed.reshape(len(tokens), -1), self.attention_out.t())
        tokens.addmm_(self._mlp_hidden(stream).flatten(0, 1), self.mlp_out.t())
        return stream

    def _project(self, stream: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        normed = rms_norm(stream, self.attention_norm, self.norm_epsilon)
        heads = F.linear(normed, self.query_key_value).unflatten(-1, (-1, self.head_dim))
        if self.query_norm is None or self.key_norm is None:
            query_key, value = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], 2)
            turned = rotate(query_key, rotations)
            query, key = turned.split([self.n_heads, self.n_kv_heads], dim=2)
            return query, key, value
        query, key, value = heads.split([self.n_heads, self.n_kv_heads, self.n_kv_heads], dim=2)
        query = rms_norm(query, self.query_norm, self.norm_epsilon)
        key = rms_norm(key, self.key_norm, self.norm_epsilon)
        return rotate(query, rotations), rotate(key, rotations), value

    def _attention_output(self, mixed: Tensor) -> Tensor:
        added = F.linear(mixed.flatten(-2), self.attention_out)
        if self.attention_post_norm is not None:
            added = rms_norm(added, self.attention_post_norm, self.norm_epsilon)
        return added

    def _mlp_hidden(self, stream: Tensor) -> Tensor:
        hidden = F.linear(rms_norm(stream, self.mlp_norm, self.norm_epsilon), self.mlp_in)
        if self.gated:
            gate, up = hidden.chunk(2, dim=-1)
            return F.silu(gate) * up
        return F.relu(hidden).square()

    def _mlp_output(self, hidden: Tensor) -> Tensor:
        added = F.linear(hidden, self.mlp_out)
        if self.mlp_post_norm is not None:
            added = rms_norm(added, self.mlp_post_norm, self.norm_epsilon)
        return added


def rms_norm(values: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    """Divide by the root mean square over the last axis.

    Source:
        Zhang & Sennrich (2019), arXiv:1910.07467, eq. 4.
    """
    return F.rms_norm(values, (values.shape[-1],), gain.to(values.dtype), epsilon)
