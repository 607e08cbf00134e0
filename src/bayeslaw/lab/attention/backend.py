"""What every attention kernel looks like from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor, bool], Tensor]


@dataclass(frozen=True, slots=True)
class AttentionBackend:
    """Name one attention kernel.

    Attributes:
        name: Its key in `BACKENDS`.
        attend: ``(query, key, value, causal) -> (batch, query_time, heads, head_dim)``.
        find_version: Returns the version, or raises `UnavailableError` with how to install it.
        check: Raises when a device, dtype and head_dim cannot be served.
    """

    name: str
    attend: Attend
    find_version: Callable[[], str]
    check: Callable[[torch.device, torch.dtype, int], None]

    @property
    def version(self) -> str:
        """Version of the kernel's package; raises `UnavailableError` when it is missing."""
        return self.find_version()

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        """Attend; ``causal`` needs as many queries as keys."""
        return self.attend(query, key, value, causal)
