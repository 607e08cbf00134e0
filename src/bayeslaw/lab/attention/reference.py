"""``math``: attention as written, for any device and dtype."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.checks import check_causal, torch_version


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Compute softmax(Q K^T / sqrt(head_dim)) V as written, materialising all scores."""
    group = query.shape[2] // key.shape[2]
    key, value = key.repeat_interleave(group, dim=2), value.repeat_interleave(group, dim=2)
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(query.shape[-1])
    if causal:
        check_causal(query, key)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(dim=-1), value)


def _check(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    """Accept all: plain matmuls run everywhere."""


MATH = AttentionBackend("math", _attend, torch_version, _check)
