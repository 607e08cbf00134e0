"""Every attention backend on one shape: milliseconds, TFLOP/s and peak memory, or why not."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from bayeslaw.errors import InvalidInputError, UnavailableError
from bayeslaw.lab.attention import BACKENDS, attention_backend


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """Say what is attended to, causally."""

    batch_size: int = 8
    context: int = 2048
    n_heads: int = 12
    n_kv_heads: int = 12
    head_dim: int = 64

    @property
    def forward_flops(self) -> float:
        """Of both products over the full square, as MFU counts them (a causal kernel needs half)."""
        return 4.0 * self.batch_size * self.n_heads * self.context**2 * self.head_dim


def attention_table(
    shape: AttentionShape, device: torch.device, dtype: torch.dtype, seconds: float
) -> list[dict[str, Any]]:
    """Time each backend forward alone, and forward with backward where it has one."""
    return [_row(name, shape, device, dtype, seconds) for name in BACKENDS]


def _row(
    name: str, shape: AttentionShape, device: torch.device, dtype: torch.dtype, seconds: float
) -> dict[str, Any]:
    gc.collect()
    try:
        backend = attention_backend(name, device, dtype, shape.head_dim)
    except (UnavailableError, InvalidInputError) as error:
        return {"backend": name, "skipped": str(error)}
    row: dict[str, Any] = {"backend": name, "version": backend.version}
    generator = torch.Generator(device).manual_seed(0)
    query, key, value = (
        torch.randn(
            (shape.batch_size, shape.context, heads, shape.head_dim),
            generator=generator, device=device, dtype=dtype,
        ).requires_grad_()
        for heads in (shape.n_heads, shape.n_kv_heads, shape.n_kv_heads)
    )  # fmt: skip
    gradient = torch.randn_like(query)

    def forward() -> None:
        with torch.no_grad():
            backend(query.detach(), key.detach(), value.detach(), True)

    def both() -> None:
        query.grad = key.grad = value.grad = None
        backend(query, key, value, True).backward(gradient)

    for label, work, flops in (
        ("forward", forward, shape.forward_flops),
        ("forward_and_backward", both, 3 * shape.forward_flops),
    ):
        try:
            row[label] = _timed(work, flops, device, seconds)
        except (UnavailableError, InvalidInputError) as error:
            row[label] = {"skipped": str(error)}
        except Exception as error:  # a kernel that fails shall not cost the others their figures
            row[label] = {"failed": f"{type(error).__name__}: {error}"[:500]}
    return row


def _timed(
    work: Callable[[], None], flops: float, device: torch.device, seconds: float
) -> dict[str, float]:
    """Return the median of single calls after a warm-up, and the memory they added at most."""
    for _ in range(3):
        work()
    before = start_memory(device)
    spent: list[float] = []
    while len(spent) < 3 or sum(spent) < seconds:
        synchronize(device)
        start = time.perf_counter()
        work()
        synchronize(device)
        spent.append(time.perf_counter() - start)
    middle = sorted(spent)[len(spent) // 2]
    figures = {"ms": middle * 1e3, "tflops": flops / middle / 1e12}
    if device.type == "cuda":
        figures["peak_added_mib"] = (torch.cuda.max_memory_allocated(device) - before) / 2**20
    return figures


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def start_memory(device: torch.device) -> int:
    """Start counting peak memory; return what is held now [byte]."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)
