"""Muon for the blocks' matrices, AdamW for all other weights, as one optimizer."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

# Jordan's quintic: steepest at zero, so small singular values grow fastest. After five rounds a
# matrix's singular values lie between 0.7 and 1.2, which serves as well as exactly 1.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_EPSILON = 1e-7


class MuonWithAdamW(torch.optim.AdamW):
    """Orthogonalise the momentum of some groups' matrices; treat the others as AdamW does.

    A group is Muon's when it has ``parts``: the rows of the matrices that each of its weights is
    made of, from the top, ``()`` for a weight that is one matrix. Several projections stored as
    one weight are orthogonalised apart, as if they were stored apart. Such a group also has
    ``momentum``.

    The step of a part with ``rows`` and ``columns`` is ``0.2 * sqrt(max(rows, columns))`` times
    the rate: its root mean square is then that of AdamW's steps (about 0.2 of the rate), so rates
    and decays found for AdamW hold.

    Source:
        Jordan et al. (2024), kellerjordan.github.io/posts/muon (momentum, Newton-Schulz); Liu et
        al. (2025), arXiv:2502.16982, eq. 4 (the step's size).
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step with every group's ``lr``."""
        groups = self.param_groups
        for group in groups:
            if "parts" in group:
                self._muon_step(group)
        # AdamW sees its own groups only; state and state_dict stay one.
        self.param_groups = [group for group in groups if "parts" not in group]
        try:
            return super().step(closure)
        finally:
            self.param_groups = groups

    def _muon_step(self, group: dict[str, Any]) -> None:
        momentum, rate, decay = group["momentum"], group["lr"], group["weight_decay"]
        # Small matrices cost calls, not arithmetic: those of one shape go through together.
        alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["step"] = torch.zeros(())  # torch's AdamW looks for it when it loads
                state["momentum_buffer"] = torch.zeros_like(weight)
            state["step"] += 1
            average = state["momentum_buffer"]
            average.lerp_(weight.grad, 1 - momentum)
            ahead = weight.grad.lerp(average, momentum)  # Nesterov's
            weight.mul_(1 - rate * decay)
            rows = group["parts"] or (weight.shape[0],)
            for target, update in zip(weight.split(rows), ahead.split(rows), strict=True):
                alike[target.shape].append((target, update))
        for (n_rows, n_columns), pairs in alike.items():
            size = 0.2 * math.sqrt(max(n_rows, n_columns))
            updates = orthogonalise(torch.stack([update for _, update in pairs]))
            for (target, _), update in zip(pairs, updates, strict=True):
                target.sub_(update, alpha=rate * size)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Bring all singular values of matrices near 1 by five Newton-Schulz rounds.

    Args:
        matrices: ``(matrix, row, column)``; on a GPU the rounds are done in bfloat16.

    Returns:
        Matrices of the same shape and type; zeros stay zeros.

    Source:
        Jordan et al. (2024), kellerjordan.github.io/posts/muon.
    """
    a, b, c = _COEFFICIENTS
    values = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    is_tall = values.shape[-2] > values.shape[-1]
    if is_tall:  # the products below are as small as the shorter side
        values = values.mT
    values = values / (values.norm(dim=(-2, -1), keepdim=True) + _EPSILON)
    for _ in range(_ROUNDS):
        gram = values @ values.mT
        values = a * values + (b * gram + c * gram @ gram) @ values
    return (values.mT if is_tall else values).to(matrices.dtype)
