"""``sdpa_flash``, ``fa3``, ``fa4``: torch's scaled_dot_product_attention, forced to FlashAttention.

torch has FlashAttention 2 built in and can put FlashAttention 3 or 4 in its place, for the whole
process. The choice stays after a call, it is not restored: the backward pass comes later and must
find the kernel that its forward pass ran. Each call on CUDA first makes sure that its own kernel is
the one in place, so backends may take turns in a process, but not between a forward pass and its
backward pass.
"""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType

import torch
import torch.nn.attention
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.checks import (
    check_causal,
    check_cuda_device,
    check_cuda_kernel,
    package_version,
    torch_version,
)

# Read in torch 2.13: each imports this module, and refuses other compute capabilities.
_MODULES = {"FA3": "flash_attn_interface", "FA4": "flash_attn.cute.interface"}
_DISTRIBUTIONS = {"FA3": "flash_attn_3", "FA4": "flash-attn-4"}
_INSTALL = {
    "FA3": "build it from the folder hopper/ of github.com/Dao-AILab/flash-attention",
    "FA4": "pip install --pre flash-attn-4",
}
_ARCHITECTURES = {"FA3": (9,), "FA4": (9, 10)}


def use_flash_implementation(wanted: str | None) -> None:
    """Put ``FA3``, ``FA4`` or torch's own FlashAttention (None) in place, if it is not already.

    Raises:
        UnavailableError: torch cannot load it.
    """
    if _current_implementation() == wanted:
        return
    if wanted is None:
        torch.nn.attention.restore_flash_attention_impl()
        return
    _load(wanted)
    try:
        torch.nn.attention.activate_flash_attention_impl(wanted)
    except (ImportError, RuntimeError, ValueError) as error:
        raise UnavailableError(f"torch cannot put {wanted} in place: {error}") from error


def _current_implementation() -> str | None:
    if not hasattr(torch.nn.attention, "current_flash_attention_impl"):  # before torch 2.11
        return None
    return torch.nn.attention.current_flash_attention_impl()


def _attend(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, implementation: str | None = None
) -> Tensor:
    """Call scaled_dot_product_attention with every backend but flash switched off."""
    if causal:
        check_causal(query, key)
    if query.is_cuda:
        use_flash_implementation(implementation)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            is_causal=causal,
            enable_gqa=query.shape[2] != key.shape[2],
        )
    return mixed.transpose(1, 2)


def _attend_swapped(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, implementation: str
) -> Tensor:
    check_cuda_device(implementation.lower(), query.device)
    return _attend(query, key, value, causal, implementation)


def _check_own(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    if device.type == "cuda":
        check_cuda_kernel("sdpa_flash", dtype, head_dim)


def _check_swapped(
    device: torch.device, dtype: torch.dtype, head_dim: int, implementation: str
) -> None:
    check_cuda_device(implementation.lower(), device, _ARCHITECTURES[implementation])
    check_cuda_kernel(implementation.lower(), dtype, head_dim)


def _find_version(implementation: str) -> str:
    module = _load(implementation)
    return f"{package_version(_DISTRIBUTIONS[implementation], module)}, {torch_version()}"


def _load(implementation: str) -> ModuleType:
    name = implementation.lower()
    known: list[str] = []
    if hasattr(torch.nn.attention, "list_flash_attention_impls"):  # torch 2.11 and later
        known = torch.nn.attention.list_flash_attention_impls()
    if implementation not in known:
        raise UnavailableError(
            f"attention {name!r} needs a torch that can swap FlashAttention (2.11 or later); "
            f"torch {torch.__version__} knows {known}"
        )
    try:
        return importlib.import_module(_MODULES[implementation])
    except ImportError as error:
        raise UnavailableError(
            f"attention {name!r} needs the module {_MODULES[implementation]} ({error}); "
            f"{_INSTALL[implementation]}, or use attention 'sdpa_flash', which torch has built in"
        ) from error


def _swapped(implementation: str) -> AttentionBackend:
    return AttentionBackend(
        name=implementation.lower(),
        attend=partial(_attend_swapped, implementation=implementation),
        find_version=partial(_find_version, implementation),
        check=partial(_check_swapped, implementation=implementation),
    )


SDPA_FLASH = AttentionBackend("sdpa_flash", _attend, torch_version, _check_own)
FA3 = _swapped("FA3")
FA4 = _swapped("FA4")
