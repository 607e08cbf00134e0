"""The kernels by the name that a job asks for."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from bayeslaw.errors import InvalidInputError
from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.fa3_forward import FA3_FWD
from bayeslaw.lab.attention.flash_attn_package import FLASH_ATTN
from bayeslaw.lab.attention.flex import FLEX
from bayeslaw.lab.attention.reference import MATH
from bayeslaw.lab.attention.sdpa import FA3, FA4, SDPA_FLASH

BACKENDS: Mapping[str, AttentionBackend] = {
    backend.name: backend for backend in (MATH, SDPA_FLASH, FLASH_ATTN, FLEX, FA3, FA4, FA3_FWD)
}
"""Every attention kernel, by the name a job asks for."""


def attention_backend(
    name: str,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    head_dim: int = 64,
) -> AttentionBackend:
    """Return a backend that can run here, or say why it cannot.

    Args:
        name: A key of `BACKENDS`.
        device: Where tensors will live.
        dtype: Of queries, keys and values.
        head_dim: Width of a head.

    Raises:
        InvalidInputError: An unknown name, or a dtype or head_dim the kernel does not take.
        UnavailableError: The kernel's package or its device is missing.
    """
    if name not in BACKENDS:
        raise InvalidInputError(f"attention must be one of {sorted(BACKENDS)}, got {name!r}")
    backend = BACKENDS[name]
    _ = backend.version
    backend.check(torch.device(device), dtype, head_dim)
    return backend
