"""Memory of the device: what is there, and how it shows that it was not enough."""

from __future__ import annotations

import gc
from pathlib import Path

import torch

from bayeslaw.space import Architecture, Workload

_CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


class DeviceMemoryError(MemoryError):
    """More memory is needed than the device has, found before anything was allocated."""


def check_fits(architecture: Architecture, workload: Workload, device: str) -> None:
    """Raise `DeviceMemoryError` where a workload cannot be held, before anything is allocated.

    A CPU's machine would swap or kill the process, so its free memory must hold activations too.
    A GPU says itself when it is full: there only what is certain is refused, weights and cache
    larger than the whole.
    """
    needed = workload.memory_bytes(architecture)
    if device == "cuda":
        width = workload.bytes_per_value
        n_cached = workload.batch_size * workload.context
        cache = n_cached * architecture.kv_bytes_per_token(width)
        needed = width * architecture.n_params + cache
    available = available_bytes(device)
    if available is not None and needed > available:
        raise DeviceMemoryError(
            f"{needed / 1e9:.4g} GB are needed, {available / 1e9:.4g} GB are there"
        )


def available_bytes(device: str) -> int | None:
    """Return memory that can be had: a GPU's whole, a CPU's that is free now; None if unknown."""
    if device == "cuda":
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    info = Path("/proc/meminfo")
    if not info.exists():
        return None
    fields = dict(line.split(":", 1) for line in info.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 2**10 if "MemAvailable" in fields else None


def largest_cache_bytes(device: str) -> int | None:
    """Return the size of the L2 of a GPU, of a CPU's last level; None where it is not known."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        return getattr(properties, "L2_cache_size", None)
    sizes = [path.read_text().strip() for path in _CPU_CACHES.glob("index*/size")]
    return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes if size), default=None)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that memory was not enough.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    True
    >>> is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    False
    """
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        words = str(error).lower()
        if isinstance(error, RuntimeError) and (
            "can't allocate memory" in words or "out of memory" in words
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def give_back_memory() -> None:
    """Free what is no longer referred to, so that the next network finds room."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
