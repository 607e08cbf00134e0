"""The optimizer of a network: which weights are stepped how, and at what rate."""

from __future__ import annotations

from typing import Any

import torch

from bayeslaw.lab.block import Block
from bayeslaw.lab.network import Network
from bayeslaw.lab.train.muon import MuonWithAdamW
from bayeslaw.runs import Hyperparameters

# Well below any gradient's size: AdamW's usual 1e-8 would shorten the steps of large networks.
_EPSILON = 1e-10


def build_optimizer(network: Network, hyperparameters: Hyperparameters) -> torch.optim.Optimizer:
    """Return the optimizer of a network: AdamW, or Muon for the blocks' matrices.

    Each group of ``param_groups`` has a ``name`` and its own ``peak_rate``: the blocks' matrices
    (``learning_rate``), embeddings and head (``embedding_rate``), norm gains (``vector_rate``,
    not decayed). `set_learning_rate` moves them all.

    Source:
        Loshchilov & Hutter (2019), arXiv:1711.05101 (AdamW); `MuonWithAdamW` for Muon.
    """
    h = hyperparameters
    embeddings = [w for name, w in network.named_parameters() if name in ("embedding", "head")]
    vectors = [weight for weight in network.parameters() if weight.ndim == 1]
    groups = [
        *_matrix_groups(network, h),
        _group("embeddings", embeddings, h.embedding_rate or h.learning_rate, h.weight_decay),
        _group("vectors", vectors, h.vector_rate or h.learning_rate, 0.0),
    ]
    kind = MuonWithAdamW if h.optimizer == "muon" else torch.optim.AdamW
    return kind(groups, betas=(h.beta1, h.beta2), eps=_EPSILON, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, fraction: float) -> None:
    """Set every group's rate of the next step to a fraction of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = fraction * group["peak_rate"]


def _matrix_groups(network: Network, h: Hyperparameters) -> list[dict[str, Any]]:
    """Return one group of all blocks' matrices, or for Muon one a kind of matrix."""
    blocks: list[Block] = list(network.blocks)  # type: ignore[arg-type]
    if h.optimizer == "adamw":
        weights = [weight for block in blocks for weight in block.parameters() if weight.ndim > 1]
        return [_group("matrices", weights, h.learning_rate, h.weight_decay)]
    a = network.architecture
    query, key_value = a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim
    parts_by_name = {
        "query_key_value": (query, key_value, key_value),
        "attention_out": (),
        "mlp_in": (a.d_ff, a.d_ff) if a.gated_mlp else (),
        "mlp_out": (),
    }
    return [
        {
            **_group(name, [getattr(b, name) for b in blocks], h.learning_rate, h.weight_decay),
            "parts": parts,
            "momentum": h.momentum,
        }
        for name, parts in parts_by_name.items()
    ]


def _group(
    name: str, weights: list[torch.nn.Parameter], peak_rate: float, weight_decay: float
) -> dict[str, Any]:
    return {
        "name": name,
        "params": weights,
        "weight_decay": weight_decay,
        "peak_rate": peak_rate,
        "lr": peak_rate,
    }
