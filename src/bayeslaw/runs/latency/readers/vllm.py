"""What vLLM's two benchmarks write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.laying_out import load_columns, shape_columns
from bayeslaw.runs.latency.readers.door import admit, check_precision
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import Architecture, Workload

_SERVED = ("ttft_ms", "tpot_ms", "e2el_ms")


def read_vllm_latency(
    path: Path | str,
    architecture: Architecture,
    workload: Workload,
    *,
    engine_version: str = "",
    n_devices: int = 1,
    model: str = "",
    skip_impossible: bool = False,
) -> LatencyTable:
    """Read ``vllm bench latency --output-json`` as one ``e2el_ms`` row of a static batch.

    The file holds seconds, and neither batch nor lengths, nor what ran where: the arguments say it.

    Args:
        path: The JSON.
        architecture: What was served.
        workload: Batch, lengths, precision and device; its engine is to be ``vllm``.
        engine_version: Of vLLM.
        n_devices: Tensor parallel [count].
        model: Its name; its shape when left out.
        skip_impossible: Has no effect but on the message: one row cannot be left out of one.

    Raises:
        InvalidInputError: The file is another, contradicts itself, or is below the physical floor.
    """
    path = Path(path)
    _check_engine(workload, "vllm")
    found = _read_json(path, ("avg_latency", "latencies"))
    seconds = np.asarray(found["latencies"], np.float64)
    if seconds.ndim != 1 or not len(seconds) or not (seconds > 0).all():
        raise InvalidInputError(f"{path.name}: 'latencies' must be positive seconds, got {seconds}")
    if not abs(found["avg_latency"] / seconds.mean() - 1) < 1e-3:
        raise InvalidInputError(
            f"{path.name}: avg_latency is {found['avg_latency']}, the mean of 'latencies' "
            f"{seconds.mean():.6g}; are both in seconds?"
        )
    spread = float(np.log(seconds).std(ddof=1)) if len(seconds) > 1 else float("nan")
    columns = shape_columns([architecture]) | load_columns([workload])
    columns |= {
        "latency_ms": np.array([1e3 * float(np.median(seconds))]),
        "repeat_sd": np.array([spread]),
        "n_repeats": np.array([float(len(seconds))]),
        "n_devices": np.array([float(n_devices)]),
    }
    labels = {
        "model": model or str(architecture),
        "figure": "e2el_ms",
        "device": workload.device,
        "engine": "vllm",
        "engine_version": engine_version,
        "precision": workload.precision,
    }
    return admit(columns, labels, source=path.name, skip_impossible=skip_impossible)


def read_vllm_serve(
    path: Path | str,
    architecture: Architecture,
    *,
    device: str,
    precision: str,
    engine_version: str = "",
    n_devices: int = 1,
    model: str = "",
    skip_impossible: bool = False,
) -> LatencyTable:
    """Read ``vllm bench serve --save-result`` as rows of TTFT, TPOT and, if there, E2EL.

    Requests queue here, so the engine is ``vllm-serve``: not that of a static batch. Lengths are the
    file's means over requests. ``batch_size`` is the mean number of requests in flight while any is
    (their rate times their duration, at least 1); ``request_rate`` the rate asked for, or where all
    came at once (``is_saturated`` 1) the rate served. Medians are read; ``repeat_sd`` is the spread
    of requests, in logs, from mean and standard deviation.

    Raises:
        InvalidInputError: The file is another, requests failed, or a row is below the floor.
    """
    path = Path(path)
    check_precision(precision)
    found = _read_json(
        path,
        ("completed", "total_input_tokens", "total_output_tokens", "request_throughput",
         "median_ttft_ms", "median_tpot_ms", "mean_ttft_ms", "mean_tpot_ms"),
    )  # fmt: skip
    if not found["completed"] > 0:
        raise InvalidInputError(f"{path.name}: no request was completed")
    if found.get("failed", 0):
        raise InvalidInputError(
            f"{path.name}: {found['failed']} requests failed, so the aggregates are of the others "
            f"alone; run the benchmark again, below what the server can take"
        )
    prompt = found["total_input_tokens"] / found["completed"]
    output = found["total_output_tokens"] / found["completed"]
    duration_ms = found.get(
        "mean_e2el_ms", found["mean_ttft_ms"] + (output - 1) * found["mean_tpot_ms"]
    )
    asked = float(found.get("request_rate", "inf"))
    figures = [figure for figure in _SERVED if f"median_{figure}" in found]
    columns = {name: float(values[0]) for name, values in shape_columns([architecture]).items()}
    columns |= {
        "latency_ms": np.array([float(found[f"median_{figure}"]) for figure in figures]),
        "repeat_sd": np.array([_log_spread(found, figure) for figure in figures]),
        "n_repeats": float(found["completed"]),
        "batch_size": max(1.0, found["request_throughput"] * duration_ms / 1e3),
        "prompt_tokens": prompt,
        "output_tokens": output,
        "n_devices": float(n_devices),
        "request_rate": asked if np.isfinite(asked) else float(found["request_throughput"]),
        "is_saturated": float(not np.isfinite(asked)),
    }
    labels = {
        "model": model or str(architecture),
        "figure": figures,
        "device": device,
        "engine": "vllm-serve",
        "engine_version": engine_version,
        "precision": precision,
    }
    return admit(columns, labels, source=path.name, skip_impossible=skip_impossible)


def _log_spread(found: dict[str, Any], figure: str) -> float:
    mean, spread = found.get(f"mean_{figure}"), found.get(f"std_{figure}")
    if not mean or spread is None:
        return float("nan")
    return float(np.sqrt(np.log1p((spread / mean) ** 2)))  # of a log-normal with these moments


def _check_engine(workload: Workload, engine: str) -> None:
    if workload.engine != engine:
        raise InvalidInputError(
            f"the workload's engine must be {engine!r}, got {workload.engine!r}; a latency is of "
            f"one engine"
        )


def _read_json(path: Path, required: tuple[str, ...]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise InvalidInputError(f"cannot open {path}: {error}") from error
    except ValueError as error:
        raise InvalidInputError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(found, dict) or (missing := [name for name in required if name not in found]):
        lacks = missing if isinstance(found, dict) else required
        raise InvalidInputError(
            f"{path.name} lacks {list(lacks)}; read_vllm_latency reads `vllm bench latency "
            f"--output-json`, read_vllm_serve `vllm bench serve --save-result`"
        )
    return found
