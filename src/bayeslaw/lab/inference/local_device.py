"""What this machine could do at best, measured: the roofline of a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from bayeslaw.lab.machine import as_dtype, check_device, device_name
from bayeslaw.space import DEVICES, Device

_CPU_SIZE, _CUDA_SIZE = 768, 8192
_CPU_BYTES, _CUDA_BYTES = 256 * 2**20, 4 * 2**30
_CPU_SECONDS, _CUDA_SECONDS = 0.15, 0.3


def local_device(threads: int = 1, device: str = "cpu") -> Device:
    """Return this machine's device with its ceilings, in about a second.

    A GPU with a datasheet in `bayeslaw.space.DEVICES` is looked up; any other device has its
    matmul peak (float32 and bfloat16) and streaming read bandwidth measured, best of repeats.

    Args:
        threads: CPU threads the ceilings are for; the caller's own setting is put back.
        device: ``cpu`` or ``cuda``.

    Raises:
        UnavailableError: ``cuda`` where there is none.
    """
    check_device(device)
    name = device_name(device, threads)
    if name in DEVICES:
        return DEVICES[name]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return Device(
            name=name,
            peak_flops={
                precision: _matmul_peak(device, precision) for precision in ("float32", "bfloat16")
            },
            memory_bandwidth=_read_bandwidth(device),
            memory_bytes=_memory_bytes(device),
        )
    finally:
        torch.set_num_threads(before)


def _matmul_peak(device: str, precision: str) -> float:
    size = _CUDA_SIZE if device == "cuda" else _CPU_SIZE
    left = torch.randn(size, size, device=device).to(as_dtype(precision))
    out = torch.empty_like(left)
    return 2.0 * size**3 / _best_seconds(lambda: torch.mm(left, left, out=out), device)


def _read_bandwidth(device: str) -> float:
    n_bytes = _CUDA_BYTES if device == "cuda" else _CPU_BYTES
    values = torch.ones(n_bytes // 4, device=device)
    return n_bytes / _best_seconds(values.sum, device)


def _memory_bytes(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.get_device_properties(0).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _best_seconds(action: Callable[[], object], device: str) -> float:
    action()
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < (_CUDA_SECONDS if device == "cuda" else _CPU_SECONDS):
        if device == "cuda":
            torch.cuda.synchronize()
        before = time.perf_counter()
        action()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - before)
    return best
