"""``flash_attn``: the flash-attn package, FlashAttention 2."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.attention.backend import AttentionBackend
from bayeslaw.lab.attention.checks import (
    check_causal,
    check_cuda_device,
    check_cuda_kernel,
    package_version,
)


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Call the package's kernel (Dao 2023, arXiv:2307.08691); GQA is native to it."""
    if causal:
        check_causal(query, key)
    return _package().flash_attn_func(query, key, value, causal=causal)


def _package():
    try:
        package = importlib.import_module("flash_attn")
        _ = package.flash_attn_func  # flash-attn-4 puts a folder of the same name there, without it
    except (ImportError, AttributeError) as error:
        raise UnavailableError(
            f"attention 'flash_attn' needs the flash-attn package ({error}); on a CUDA machine "
            f"install the extra: pip install 'bayeslaw[flash]' --no-build-isolation, or use "
            f"attention 'sdpa_flash', which torch has built in"
        ) from error
    return package


def _find_version() -> str:
    return package_version("flash-attn", _package())


def _check(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    check_cuda_device("flash_attn", device)
    check_cuda_kernel("flash_attn", dtype, head_dim)


FLASH_ATTN = AttentionBackend("flash_attn", _attend, _find_version, _check)
