"""``fa3_fwd``: FlashAttention 3 for Hopper GPUs from a small wheel, forward only."""

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
    check_no_gradients,
    package_version,
)

_INTERFACE = "fa3_fwd_interface"


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Call the wheel's kernel (Shah et al. 2024, arXiv:2407.08608); GQA is native to it."""
    check_no_gradients("fa3_fwd", (query, key, value))
    if causal:
        check_causal(query, key)
    # A single query fills the GPU only if its keys are split (0: as many ways as it likes).
    n_splits = 0 if query.shape[1] == 1 else 1
    attend = _package().flash_attn_func
    return attend(query, key, value, causal=causal, num_splits=n_splits)


def _package():
    try:
        return importlib.import_module(_INTERFACE)
    except (ImportError, OSError) as error:  # OSError: its library asks for another CUDA
        raise UnavailableError(
            f"attention 'fa3_fwd' needs the fa3-fwd package ({error}); on a Hopper machine with "
            f"CUDA 13 install it: pip install fa3-fwd, or use attention 'sdpa_flash', which torch "
            f"has built in"
        ) from error


def _find_version() -> str:
    return package_version("fa3-fwd", _package())


def _check(device: torch.device, dtype: torch.dtype, head_dim: int) -> None:
    check_cuda_device("fa3_fwd", device, (9,))
    check_cuda_kernel("fa3_fwd", dtype, head_dim, (torch.bfloat16,))


FA3_FWD = AttentionBackend("fa3_fwd", _attend, _find_version, _check)
