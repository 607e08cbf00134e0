"""AdamW with decay on matrices only."""

from __future__ import annotations

import torch

from bayeslaw.lab.network import Network
from bayeslaw.runs import Hyperparameters


def build_optimizer(network: Network, hyperparameters: Hyperparameters) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019) for a network: norm gains are not decayed."""
    weights = list(network.parameters())
    return torch.optim.AdamW(
        [
            {
                "params": [w for w in weights if w.ndim > 1],
                "weight_decay": hyperparameters.weight_decay,
            },
            {"params": [w for w in weights if w.ndim == 1], "weight_decay": 0.0},
        ],
        lr=hyperparameters.learning_rate,
        betas=(hyperparameters.beta1, hyperparameters.beta2),
        eps=1e-10,
        fused=True,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
