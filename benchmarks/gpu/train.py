"""MFU of training on one NVIDIA GPU: ours compiled, a plain nanoGPT-style loop compiled and eager.

    python -m benchmarks.gpu.train --json OUT [--seconds 450] [--smoke]

bf16, context 2048, 131,072 tokens a step, random tokens. FLOPs are attention-aware (six a weight
that is multiplied, head included, and attention over the full square); MFU is their rate over the
datasheet's dense peak, and over the best rate of a large matrix product measured here. The figures
are written after every cell; what the time did not suffice for is named, and a second call with the
same file on the same machine goes on where the first stopped.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import signal
import subprocess
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.machine import check_device, device_name, versions
from bayeslaw.space import DEVICES
from benchmarks.gpu.attention_table import (
    AttentionShape,
    attention_table,
    start_memory,
    synchronize,
)
from benchmarks.gpu.contestants import (
    CONTESTANTS,
    SHAPES,
    SMOKE_SHAPES,
    GpuShape,
    Step,
    contestant,
)

WARM_UP_STEPS = 3
CELL_SECONDS = 5.0
N_KERNELS = 15


class OutOfTimeError(BaseException):
    """The budget is spent; no ``except Exception`` of a compiler may swallow this."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.train", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    parser.add_argument("--seconds", type=int, default=450, help="wall time for everything")
    parser.add_argument("--smoke", action="store_true", help="tiny shapes on the CPU, no MFU")
    arguments = parser.parse_args()
    figures = measure(arguments.json, arguments.seconds, arguments.smoke)
    print(json.dumps({key: figures[key] for key in ("headline", "not_reached")}, indent=2))


def measure(path: Path, seconds: int, smoke: bool = False) -> dict[str, Any]:
    """Fill the file at ``path`` with cells until all are there or the time is up."""
    start = time.perf_counter()
    device = torch.device("cpu" if smoke else "cuda")
    check_device(device.type)
    figures = _taken_up(path, device) or {
        "benchmark": "gpu.train",
        "smoke": smoke,
        "device": device_name(device.type, 1),
        "versions": versions(),
        "cells": [],
    }
    figures |= _circumstances()
    shapes = SMOKE_SHAPES if smoke else SHAPES
    cell_seconds = 0.0 if smoke else CELL_SECONDS
    previous = signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(seconds)
    try:
        if "gemm_peak_flops" not in figures:
            figures["gemm_peak_flops"] = gemm_peak(device, 64 if smoke else 8192)
        for name in CONTESTANTS[:2]:
            _fill(figures, path, name, shapes, device, cell_seconds)
        if "attention" not in figures:
            size = AttentionShape(1, 64, 2, 1, 16) if smoke else AttentionShape()
            dtype = torch.float32 if smoke else torch.bfloat16
            figures["attention"] = {
                "shape": asdict(size),
                "backends": attention_table(size, device, dtype, cell_seconds / 10),
            }
        for name in CONTESTANTS[2:]:
            _fill(figures, path, name, shapes, device, cell_seconds)
    except OutOfTimeError:
        print(f"out of time after {seconds} s", flush=True)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    done = {(cell["shape"], cell["contestant"]) for cell in figures["cells"]}
    wanted = [(shape.name, name) for name in CONTESTANTS for shape in shapes]
    figures["not_reached"] = [list(cell) for cell in wanted if cell not in done]
    if "attention" not in figures:
        figures["not_reached"].append(["attention", "all backends"])
    figures["headline"] = headline(figures["cells"])
    figures["seconds_of_this_call"] = time.perf_counter() - start
    _write(path, figures)
    return figures


def _fill(
    figures: dict[str, Any], path: Path, name: str, shapes: tuple[GpuShape, ...],
    device: torch.device, seconds: float,
) -> None:  # fmt: skip
    """Add a contestant's cells that are not there yet."""
    done = {(cell["shape"], cell["contestant"]) for cell in figures["cells"]}
    for shape in shapes:
        if (shape.name, name) in done:
            continue
        cell = {"shape": shape.name, "contestant": name}
        try:
            cell |= race(name, shape, device, seconds, figures["gemm_peak_flops"])
        except UnavailableError as error:
            cell["skipped"] = str(error)
        except Exception as error:  # one that fails shall not cost the others their minutes
            traceback.print_exc()
            cell["failed"] = f"{type(error).__name__}: {error}"[:1000]
        figures["cells"].append(cell)
        _write(path, figures)
        shown = (
            "tokens_per_second",
            "mfu",
            "peak_memory_gib",
            "first_step_seconds",
            "skipped",
            "failed",
        )
        print(shape.name, name, {key: cell[key] for key in shown if key in cell}, flush=True)


def race(
    name: str, shape: GpuShape, device: torch.device, seconds: float, gemm_peak_flops: float
) -> dict[str, Any]:
    """Train one contestant for some seconds, with a smaller micro-batch when memory runs out."""
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 1e9
    micro = shape.micro_sequences(memory)
    while True:
        try:
            return _race(name, shape, micro, device, seconds, gemm_peak_flops)
        except torch.OutOfMemoryError:
            if micro == 1:
                return {"skipped": "out of memory with one sequence at a time"}
        finally:
            torch.compiler.reset()
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
        micro //= 2


def _race(
    name: str, shape: GpuShape, micro: int, device: torch.device, seconds: float,
    gemm_peak_flops: float,
) -> dict[str, Any]:  # fmt: skip
    start_memory(device)
    step = contestant(name, shape, micro, device)
    first = _seconds_of(step, device)
    for _ in range(WARM_UP_STEPS - 1):
        step()
    spent: list[float] = []
    while len(spent) < 3 or sum(spent) < seconds:
        spent.append(_seconds_of(step, device))
    middle = sorted(spent)[len(spent) // 2]
    flops = shape.flops_per_step / middle
    cell: dict[str, Any] = {
        **asdict(shape),
        "shape": shape.name,
        "n_params": shape.architecture.n_params,
        "micro_sequences": micro,
        "first_step_seconds": first,
        "steps": len(spent),
        "step_seconds": {"median": middle, "min": min(spent), "max": max(spent)},
        "tokens_per_second": shape.batch_sequences * shape.seq_len / middle,
        "flops_per_second": flops,
        "loss_nats": float(step()),
    }
    if device.type == "cuda":
        known = DEVICES.get(device_name("cuda", 1))
        cell["mfu"] = None if known is None else flops / known.peak("bfloat16")
        cell["mfu_of_measured_gemm"] = flops / gemm_peak_flops
        cell["peak_memory_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    if name == CONTESTANTS[0] and shape.name in ("125M", "smoke"):
        cell["kernels"] = kernels_of(step, device)
    return cell


def _seconds_of(step: Step, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - start


def kernels_of(step: Step, device: torch.device) -> list[dict[str, Any]]:
    """Return where a step's time goes: its costliest kernels (operators on the CPU)."""
    on_gpu = device.type == "cuda"
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiler:
        step()
        synchronize(device)
    rows = [
        {
            "kernel": event.key[:120],
            "calls": event.count,
            "ms": (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e3,
        }
        for event in profiler.key_averages()
    ]
    return sorted(rows, key=lambda row: -row["ms"])[:N_KERNELS]


def gemm_peak(device: torch.device, size: int) -> float:
    """Return the best rate of a square bf16 product [FLOP/s]."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        torch.matmul(left, right)
    best = float("inf")
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        for _ in range(10):
            torch.matmul(left, right)
        synchronize(device)
        best = min(best, (time.perf_counter() - start) / 10)
    return 2.0 * size**3 / best


def headline(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return MFU by shape, and tokens/s over the fastest peer that was reached."""
    measured = [cell for cell in cells if "tokens_per_second" in cell]
    ours = {cell["shape"]: cell for cell in measured if cell["contestant"] == CONTESTANTS[0]}
    peers: dict[str, float] = {}
    for cell in measured:
        if not cell["contestant"].startswith("ours"):
            shape, rate = cell["shape"], cell["tokens_per_second"]
            peers[shape] = max(rate, peers.get(shape, 0.0))
    return {
        "mfu": {shape: cell.get("mfu") for shape, cell in ours.items()},
        "mfu_of_measured_gemm": {
            shape: cell.get("mfu_of_measured_gemm") for shape, cell in ours.items()
        },
        "ratio_to_best_peer": {
            shape: cell["tokens_per_second"] / peers[shape]
            for shape, cell in ours.items()
            if shape in peers
        },
    }


def _taken_up(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Return the figures of an earlier call, if they were taken with the same things."""
    if not path.exists():
        return None
    figures = json.loads(path.read_text())
    same = figures["device"] == device_name(device.type, 1)
    same &= figures["versions"]["torch"] == torch.__version__
    return figures if same and figures["commit"] == _commit() else None


def _circumstances() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _commit() -> str | None:
    """Return the commit, or None where the tree came without git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures, indent=2) + "\n")
    partial.replace(path)


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


if __name__ == "__main__":
    main()
