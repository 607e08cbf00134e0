"""The least time a forward pass can take, and what a real engine adds to it.

With ``F`` [FLOP/s] and ``W`` [byte/s] the ceilings that an engine really reaches,

    t = (t_flop^p + t_byte^p)^(1/p) + c0 + c1 B + c2 L,    t_flop = FLOP / F,  t_byte = bytes / W

a roofline (Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785) whose maximum is
smooth, plus launch overheads. Measured GEMMs lose about a third of either ceiling where the two
meet (Vidur's H100 profiles), which p = 3 reproduces; far from the ridge p does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Architecture, Device, Workload

Phase = Literal["prefill", "decode"]

RIDGE_SHARPNESS = 3.0


@dataclass(frozen=True)
class Work:
    """Hold what one forward pass of each architecture must do, each float64 ``(architecture,)``.

    Attributes:
        flops: Arithmetic [FLOP].
        bytes: Weights and cache moved [byte].
        n_layers: Layers launched one after the other [count].
        n_sequences: Sequences in the batch [count].
    """

    flops: np.ndarray
    bytes: np.ndarray
    n_layers: np.ndarray
    n_sequences: np.ndarray


@dataclass(frozen=True)
class RooflineConstants:
    """Hold what an engine reaches and adds; each a number or a tensor ``(draw, 1)``.

    Attributes:
        flops_per_second: Arithmetic it sustains [FLOP/s].
        bytes_per_second: Bandwidth it sustains [byte/s].
        call_seconds: c0, overhead of one forward pass [s].
        sequence_seconds: c1, overhead of each sequence of the batch [s].
        layer_seconds: c2, overhead of each layer [s].
    """

    flops_per_second: Tensor | float
    bytes_per_second: Tensor | float
    call_seconds: Tensor | float = 0.0
    sequence_seconds: Tensor | float = 0.0
    layer_seconds: Tensor | float = 0.0


def count_work(
    architectures: Sequence[Architecture], workloads: Sequence[Workload], phase: Phase
) -> Work:
    """Count FLOPs and bytes of prefill, or of the average decode step.

    Args:
        architectures: One a row.
        workloads: One a row, or a single one for all.
        phase: ``prefill`` reads the prompt; ``decode`` writes one token with the prompt and half
            of the output in the cache, the mean over a request.
    """
    if len(workloads) == 1:
        workloads = [workloads[0]] * len(architectures)
    rows = []
    for a, w in zip(architectures, workloads, strict=True):
        if phase == "prefill":
            flops = a.prefill_flops(w.batch_size, w.prompt_tokens)
            moved = a.prefill_bytes(w.batch_size, w.prompt_tokens, w.bytes_per_value)
        elif phase == "decode":
            context = w.prompt_tokens + w.output_tokens // 2
            flops = a.decode_flops(w.batch_size, context)
            moved = a.decode_bytes(w.batch_size, context, w.bytes_per_value)
        else:
            raise InvalidInputError(f"phase must be 'prefill' or 'decode', got {phase!r}")
        rows.append((flops, moved, a.n_layers, w.batch_size))
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 4).T
    return Work(*columns)


def roofline_seconds(work: Work, constants: RooflineConstants) -> Tensor:
    """Return the time of each forward pass [s], ``(architecture,)`` or ``(draw, architecture)``."""
    flops, moved, n_layers, n_sequences = (
        torch.as_tensor(column, dtype=torch.float64)
        for column in (work.flops, work.bytes, work.n_layers, work.n_sequences)
    )
    log_flop = torch.log(flops / constants.flops_per_second)
    log_byte = torch.log(moved / constants.bytes_per_second)
    p = RIDGE_SHARPNESS
    ideal = torch.exp(torch.logaddexp(p * log_flop, p * log_byte) / p)
    return (
        ideal
        + constants.call_seconds
        + constants.sequence_seconds * n_sequences
        + constants.layer_seconds * n_layers
    )


def roofline_ms(
    architectures: Sequence[Architecture],
    workload: Workload,
    device: Device,
    *,
    phase: Phase,
    flop_efficiency: float = 1.0,
    byte_efficiency: float = 1.0,
) -> np.ndarray:
    """Return the time [ms] of each architecture at a share of a device's ceilings.

    One 1.24e9-parameter bfloat16 model streams its 2.47e9 bytes of weights in 0.74 ms on an H100:

    >>> from bayeslaw.space import DEVICES
    >>> llama_1b = Architecture(
    ...     n_layers=16, d_model=2048, n_heads=32, n_kv_heads=8, head_dim=64, d_ff=8192,
    ...     vocab_size=128256, tied_embeddings=True)
    >>> one = Workload(batch_size=1, prompt_tokens=1, output_tokens=1, precision="bfloat16")
    >>> roofline_ms([llama_1b], one, DEVICES["h100-sxm"], phase="decode").round(3).tolist()
    [0.738]
    """
    for name, share in (("flop_efficiency", flop_efficiency), ("byte_efficiency", byte_efficiency)):
        if not 0 < share <= 1:
            raise InvalidInputError(f"{name} must be in (0, 1], got {share}")
    constants = RooflineConstants(
        flops_per_second=flop_efficiency * device.peak(workload.precision),
        bytes_per_second=byte_efficiency * device.memory_bandwidth,
    )
    seconds = roofline_seconds(count_work(architectures, [workload], phase), constants)
    return seconds.numpy() * 1e3
