"""The time a forward pass takes: what its arithmetic and its bytes cost, and what engines add.

A pass multiplies weights and attends, streams weights and cache, and moves activations:

    t = ((t_matmul + t_attention)^p + (t_weights + t_cache)^p)^(1/p) + t_activations + t_scores
        + c0 + c1 B + c2 L + t_links

a roofline (Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785) with a smooth
maximum. Measured GEMMs lose about a third of either ceiling where the two meet (Vidur's H100
profiles), which p = 3 reproduces; far from the ridge p does not matter. A request is one prefill
and a decode step for each later token: TTFT + (n - 1) TPOT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.constants import NAMES, Ceilings
from bayeslaw.runs import LatencyTable
from bayeslaw.space import Architecture, Device, Workload

Phase = Literal["prefill", "decode"]
PHASES: tuple[Phase, ...] = ("prefill", "decode")

RIDGE_SHARPNESS = 3.0
_WORK = (
    "gemm_flops", "attention_flops", "weight_bytes", "cache_bytes", "activation_bytes", "score_bytes"
)  # fmt: skip
_BYTES_PER_VALUE = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "float8": 1.0}


@dataclass(frozen=True)
class PassWork:
    """Hold what one pass of each row does, each float64 ``(row,)``.

    Attributes:
        log_passes: Log of how many passes the row's figure takes; about -600 for none.
        log_work: Log of each kind of work on one device, in the order of ``_WORK``.
        n_layers: Layers launched one after the other [count].
        n_sequences: Sequences in the batch [count].
        log_link_bytes: Log of bytes between devices; about -600 on one device.
        has_links: 1 where several devices share the network, else 0.
    """

    log_passes: Tensor
    log_work: Tensor
    n_layers: Tensor
    n_sequences: Tensor
    log_link_bytes: Tensor
    has_links: Tensor


def count_passes(table: LatencyTable) -> dict[Phase, PassWork]:
    """Read the work of each phase off a table's columns."""
    columns, n_devices = table.columns, table.columns["n_devices"]
    bytes_per_value = np.array([_BYTES_PER_VALUE[p] for p in table.labels["precision"]])
    found: dict[Phase, PassWork] = {}
    for phase in PHASES:
        work = np.stack([columns[f"{phase}_{kind}"] / n_devices for kind in _WORK], axis=-1)
        tokens = columns["batch_size"] * (columns["prompt_tokens"] if phase == "prefill" else 1.0)
        # Two all-reduces a layer, each moving 2 (n - 1) / n of the residual stream.
        share = 4.0 * (n_devices - 1) / n_devices
        link = share * columns["n_layers"] * tokens * columns["d_model"] * bytes_per_value
        found[phase] = PassWork(
            _log(columns[f"{phase}_passes"]),
            _log(work),
            torch.tensor(columns["n_layers"]),
            torch.tensor(columns["batch_size"]),
            _log(link),
            torch.as_tensor((n_devices > 1).astype(float)),
        )
    return found


def term_log_seconds(log_constants: Tensor, work: PassWork, phase: Phase) -> dict[str, Tensor]:
    """Return the log time of each part of one pass, each ``(draw, row)``.

    Args:
        log_constants: ``(draw, constant)`` in FLOP/s, byte/s and seconds.
        work: Of the rows.
        phase: Whose overheads.
    """
    value = {name: log_constants[:, k, None] for k, name in enumerate(NAMES)}
    matmul, attention, weights, cache, activations, scores = work.log_work.unbind(-1)
    weight_rate = value["weight_rate"]
    overhead = (
        value[f"{phase}_call"].exp()
        + value[f"{phase}_layer"].exp() * work.n_layers
        + value[f"{phase}_sequence"].exp() * work.n_sequences
        + value["link_layer"].exp() * work.n_layers * work.has_links
    )
    return {
        "matmul": matmul - value["matmul_rate"],
        "attention": attention - value["matmul_rate"] - value["attention_ratio"],
        "weights": weights - weight_rate,
        "cache": cache - weight_rate - value["cache_ratio"],
        "activations": activations - weight_rate - value["activation_ratio"],
        "scores": scores - weight_rate - value["score_ratio"],
        "links": work.log_link_bytes - value["link_ratio"],
        "overhead": overhead.log(),
    }


def pass_log_seconds(log_constants: Tensor, work: PassWork, phase: Phase) -> Tensor:
    """Return the log time of one pass [log s], ``(draw, row)``."""
    part = term_log_seconds(log_constants, work, phase)
    compute = torch.logaddexp(part["matmul"], part["attention"])
    memory = torch.logaddexp(part["weights"], part["cache"])
    p = RIDGE_SHARPNESS
    ideal = torch.logaddexp(p * compute, p * memory) / p
    moved = torch.logaddexp(part["activations"], part["scores"])
    total = torch.logaddexp(torch.logaddexp(ideal, moved), part["overhead"])
    return torch.logaddexp(total, part["links"]) if work.has_links.any() else total


def figure_log_seconds(log_constants: Tensor, passes: Mapping[Phase, PassWork]) -> Tensor:
    """Return the log time of each row's figure [log s], ``(draw, row)``: all of its passes."""
    return torch.logaddexp(*_by_phase(log_constants, passes))


def phase_shares(log_constants: Tensor, passes: Mapping[Phase, PassWork]) -> Tensor:
    """Return the share of prefill and of decode in each row's time, ``(row, 2)``.

    Args:
        log_constants: One setting, ``(1, constant)``.
        passes: Of the rows.
    """
    parts = torch.stack(_by_phase(log_constants, passes), dim=-1)[0]
    return torch.softmax(parts, dim=-1)


def _log(values: np.ndarray) -> Tensor:
    # The log of nothing has no gradient; e^-600 is nothing too.
    return torch.as_tensor(np.log(np.maximum(values, 1e-260)))


def _by_phase(log_constants: Tensor, passes: Mapping[Phase, PassWork]) -> list[Tensor]:
    return [
        passes[phase].log_passes + pass_log_seconds(log_constants, passes[phase], phase)
        for phase in PHASES
    ]


def roofline_ms(
    architectures: Sequence[Architecture],
    workload: Workload,
    device: Device,
    *,
    phase: Phase,
    flop_efficiency: float = 1.0,
    byte_efficiency: float = 1.0,
) -> np.ndarray:
    """Return the least time [ms] of one pass of each architecture at a share of the ceilings.

    One 1.24e9-parameter bfloat16 model streams its 2.47e9 bytes of weights in 0.74 ms on an H100:

    >>> from bayeslaw.space import DEVICES
    >>> llama_1b = Architecture(
    ...     n_layers=16, d_model=2048, n_heads=32, n_kv_heads=8, head_dim=64, d_ff=8192,
    ...     vocab_size=128256, tied_embeddings=True)
    >>> one = Workload(batch_size=1, prompt_tokens=1, output_tokens=1, precision="bfloat16")
    >>> roofline_ms([llama_1b], one, DEVICES["h100-sxm"], phase="decode").round(3).tolist()
    [0.738]

    Raises:
        InvalidInputError: An efficiency outside (0, 1], or another phase.
    """
    for name, share in (("flop_efficiency", flop_efficiency), ("byte_efficiency", byte_efficiency)):
        if not 0 < share <= 1:
            raise InvalidInputError(f"{name} must be in (0, 1], got {share}")
    if phase not in PHASES:
        raise InvalidInputError(f"phase must be 'prefill' or 'decode', got {phase!r}")
    flops, moved = _totals(architectures, workload, phase)
    p = RIDGE_SHARPNESS
    compute = flops / (flop_efficiency * device.peak(workload.precision))
    memory = moved / (byte_efficiency * device.memory_bandwidth)
    return 1e3 * np.exp(np.logaddexp(p * np.log(compute), p * np.log(memory)) / p)


def _totals(
    architectures: Sequence[Architecture], w: Workload, phase: Phase
) -> tuple[np.ndarray, np.ndarray]:
    rows = []
    for a in architectures:
        if phase == "prefill":
            flops = a.prefill_flops(w.batch_size, w.prompt_tokens)
            moved = a.prefill_bytes(w.batch_size, w.prompt_tokens, w.bytes_per_value)
        else:
            context = w.prompt_tokens + w.output_tokens // 2
            flops = a.decode_flops(w.batch_size, context)
            moved = a.decode_bytes(w.batch_size, context, w.bytes_per_value)
        rows.append((flops, moved))
    flops, moved = np.array(rows, dtype=np.float64).reshape(len(rows), 2).T
    return flops, moved


# FLOP a byte at which devices turn from bandwidth to arithmetic: 12 (A100, float32) to 300 (H100).
_USUAL_RIDGE = 60.0
_ABOVE_BEST = 1.5


def guess_ceilings(table: LatencyTable) -> Ceilings:
    """Read ceilings off a table's fastest rows, for a device without a datasheet.

    The prior's median of a rate is 0.6 to 0.7 of its ceiling; half as much again as the best rate
    seen puts it near that rate. Where arithmetic is all that was busy, bandwidth is guessed from it.
    """
    per_second = _ABOVE_BEST * 1e3 / (table["latency_ms"] * table["n_devices"])

    def best_rate(*kinds: str) -> float:
        done = sum(table[f"{p}_passes"] * table[f"{p}_{kind}"] for p in PHASES for kind in kinds)
        return float(np.max(done * per_second))

    flops = best_rate("gemm_flops", "attention_flops")
    moved = best_rate("weight_bytes", "cache_bytes", "activation_bytes")
    return Ceilings(flops, max(moved, flops / _USUAL_RIDGE), is_guessed=True)
