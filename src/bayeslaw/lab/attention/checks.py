"""What the kernels' modules ask before they run: shapes, gradients, devices, packages."""

from __future__ import annotations

import importlib.metadata

import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError, UnavailableError

_HALF = (torch.bfloat16, torch.float16)
_MAX_FLASH_HEAD_DIM = 256


def check_causal(query: Tensor, key: Tensor) -> None:
    """Raise unless there are as many queries as keys: kernels align masks in different corners."""
    if query.shape[1] != key.shape[1]:
        raise InvalidInputError(
            f"causal attention needs as many queries as keys, got {query.shape[1]} and "
            f"{key.shape[1]}; a single decode query sees the whole cache with causal=False"
        )


def check_no_gradients(name: str, tensors: tuple[Tensor, ...]) -> None:
    """Raise where autograd would later ask a kernel for a backward pass that it has not."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        raise InvalidInputError(
            f"attention {name!r} has no backward pass here and gradients are asked for; train "
            f"with 'sdpa_flash', or call it under torch.no_grad()"
        )


def check_cuda_device(name: str, device: torch.device, architectures: tuple[int, ...] = ()) -> None:
    """Raise unless ``device`` is a CUDA GPU of one of these major compute capabilities (any: ())."""
    if device.type != "cuda":
        raise UnavailableError(
            f"attention {name!r} runs on CUDA only, this job runs on {device.type!r}; use "
            f"'sdpa_flash' or 'math'"
        )
    if not architectures:
        return
    if not torch.cuda.is_available():
        raise UnavailableError(f"attention {name!r} needs a GPU, torch sees none here")
    major, minor = torch.cuda.get_device_capability(device)
    if major not in architectures:
        wanted = " or ".join(f"{number}.x" for number in architectures)
        raise UnavailableError(
            f"attention {name!r} needs a GPU of compute capability {wanted}, "
            f"{torch.cuda.get_device_name(device)} has {major}.{minor}; use 'sdpa_flash'"
        )


def check_cuda_kernel(
    name: str, dtype: torch.dtype, head_dim: int, dtypes: tuple[torch.dtype, ...] = _HALF
) -> None:
    """Raise unless a flash kernel on CUDA takes this dtype and head_dim."""
    if dtype not in dtypes:
        taken = " or ".join(str(one).removeprefix("torch.") for one in dtypes)
        raise InvalidInputError(
            f"attention {name!r} on CUDA takes {taken}, got {dtype}; set the job's (or "
            f"workload's) precision to 'bfloat16', or use attention 'math'"
        )
    if head_dim > _MAX_FLASH_HEAD_DIM or head_dim % 8:
        raise InvalidInputError(
            f"attention {name!r} on CUDA takes a head_dim that is a multiple of 8 and at most "
            f"{_MAX_FLASH_HEAD_DIM}, got {head_dim}"
        )


def torch_version() -> str:
    """Return the version of kernels that come with torch."""
    return f"torch {torch.__version__}"


def package_version(distribution: str, module: object) -> str:
    """Return ``name version`` of an installed distribution, or of a module that was put there by hand."""
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{distribution} {getattr(module, '__version__', 'of unknown version')}"
