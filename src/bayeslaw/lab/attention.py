"""Attention kernels behind one signature; the one that ran is on record.

Shapes: ``query`` is ``(batch, query_time, heads, head_dim)``; ``key`` and ``value`` are
``(batch, key_time, kv_heads, head_dim)``. Nothing here ever picks another kernel than the one
asked for: what cannot run raises.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from bayeslaw.errors import InvalidInputError, UnavailableError

Attend = Callable[[Tensor, Tensor, Tensor, bool], Tensor]

_HALF = (torch.bfloat16, torch.float16)
_MAX_FLASH_HEAD_DIM = 256


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


def _check_causal(query: Tensor, key: Tensor) -> None:
    if query.shape[1] != key.shape[1]:
        raise InvalidInputError(
            f"causal attention needs as many queries as keys, got {query.shape[1]} and "
            f"{key.shape[1]}; a single decode query sees the whole cache with causal=False"
        )


def _math(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Compute softmax(Q K^T / sqrt(head_dim)) V as written, materialising all scores."""
    group = query.shape[2] // key.shape[2]
    key, value = key.repeat_interleave(group, dim=2), value.repeat_interleave(group, dim=2)
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(query.shape[-1])
    if causal:
        _check_causal(query, key)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(dim=-1), value)


def _sdpa_flash(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Call torch's scaled_dot_product_attention with every backend but flash switched off."""
    if causal:
        _check_causal(query, key)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            is_causal=causal,
            enable_gqa=query.shape[2] != key.shape[2],
        )
    return mixed.transpose(1, 2)


def _flash_attn(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Call the flash-attn package (Dao 2023, arXiv:2307.08691); GQA is native to it."""
    if causal:
        _check_causal(query, key)
    return _flash_attn_package().flash_attn_func(query, key, value, causal=causal)


def _flash_attn_package():
    try:
        return importlib.import_module("flash_attn")
    except ImportError as error:
        raise UnavailableError(
            f"attention 'flash_attn' needs the flash-attn package ({error}); on a CUDA machine "
            f"install the extra: pip install 'bayeslaw[flash]' --no-build-isolation, or use "
            f"attention 'sdpa_flash', which torch has built in"
        ) from error


def _flash_attn_version() -> str:
    _flash_attn_package()
    return f"flash-attn {importlib.metadata.version('flash-attn')}"


def _torch_version() -> str:
    return f"torch {torch.__version__}"


def _check_anything(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    """Accept all: plain matmuls run everywhere."""


def _check_sdpa_flash(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    if device.type == "cuda":
        _check_cuda_kernel("sdpa_flash", dtype, head_dim)


def _check_flash_attn(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    if device.type != "cuda":
        raise UnavailableError(
            f"attention 'flash_attn' runs on CUDA only, this job runs on {device.type!r}; use "
            f"'sdpa_flash' or 'math'"
        )
    _check_cuda_kernel("flash_attn", dtype, head_dim)


def _check_cuda_kernel(name: str, dtype: torch.dtype, head_dim: int) -> None:
    if dtype not in _HALF:
        raise InvalidInputError(
            f"attention {name!r} on CUDA takes bfloat16 or float16, got {dtype}; set the job's "
            f"(or workload's) precision to 'bfloat16', or use attention 'math'"
        )
    if head_dim > _MAX_FLASH_HEAD_DIM or head_dim % 8:
        raise InvalidInputError(
            f"attention {name!r} on CUDA takes a head_dim that is a multiple of 8 and at most "
            f"{_MAX_FLASH_HEAD_DIM}, got {head_dim}"
        )


BACKENDS: Mapping[str, AttentionBackend] = {
    backend.name: backend
    for backend in (
        AttentionBackend("math", _math, _torch_version, _check_anything),
        AttentionBackend("sdpa_flash", _sdpa_flash, _torch_version, _check_sdpa_flash),
        AttentionBackend("flash_attn", _flash_attn, _flash_attn_version, _check_flash_attn),
    )
}
"""Every attention kernel, by the name a job asks for."""
