"""Architectures, workloads and timings as the columns and labels of a latency table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.runs.latency.columns import SHAPE
from bayeslaw.runs.latency.filling import FLAGS
from bayeslaw.runs.measurement import Measurement
from bayeslaw.space import Architecture, Workload

_IQR_OF_NORMAL = 1.3489795  # the interquartile range, in standard deviations
_CIRCUMSTANCES = ("cuda_graph", "compiled", "threads")


def shape_columns(architectures: Sequence[Architecture]) -> dict[str, np.ndarray]:
    """Lay out shapes and flags, each float64 ``(row,)``."""
    return {
        name: np.array([float(getattr(a, name)) for a in architectures])
        for name in (*SHAPE, *FLAGS)
    }


def load_columns(workloads: Sequence[Workload], figure: str = "") -> dict[str, np.ndarray]:
    """Lay out batch and lengths, each float64 ``(row,)``; a forward pass writes one token."""
    columns = {
        name: np.array([float(getattr(w, name)) for w in workloads])
        for name in ("batch_size", "prompt_tokens", "output_tokens")
    }
    if figure == "forward_ms":
        columns["output_tokens"] = np.ones(len(workloads))
    return columns


def measured_rows(
    measurements: Sequence[Measurement],
) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Lay out timings, a row for TTFT and one for TPOT each."""
    pairs = [(m, figure) for m in measurements for figure in ("ttft_ms", "tpot_ms")]
    workloads = [m.workload for m, _ in pairs]
    memory = [m.memory_bytes for m, _ in pairs]
    columns = shape_columns([m.architecture for m, _ in pairs]) | load_columns(workloads)
    columns |= {
        "latency_ms": np.array([getattr(m, figure) for m, figure in pairs]),
        "repeat_sd": np.array([_repeat_sd(m, figure) for m, figure in pairs]),
        "n_repeats": np.array([m.n_repeats for m, _ in pairs]),
        "out_of_memory": np.array([m.out_of_memory for m, _ in pairs]),
        "memory_bytes": np.array([np.nan if byte is None else byte for byte in memory]),
    }
    for name in _CIRCUMSTANCES:
        values = np.array([float(m.record.get(name, 0)) for m, _ in pairs])
        if (values != values[0]).any():
            columns[name] = values
    labels = {
        "model": [str(m.architecture) for m, _ in pairs],
        "figure": [figure for _, figure in pairs],
        "device": [m.device for m, _ in pairs],
        "engine": [w.engine for w in workloads],
        "engine_version": [m.engine_version for m, _ in pairs],
        "precision": [w.precision for w in workloads],
        "session": [m.session for m, _ in pairs],
    }
    return columns, labels


def _repeat_sd(measurement: Measurement, figure: str) -> float:
    """Return the spread of one repeat in log latency; NaN out of memory."""
    iqr_ms = getattr(measurement, figure.replace("_ms", "_iqr_ms"))
    return iqr_ms / _IQR_OF_NORMAL / getattr(measurement, figure)
