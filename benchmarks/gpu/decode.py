"""Decode on one NVIDIA GPU: ours with and without CUDA graphs beside transformers' generate.

    python -m benchmarks.gpu.decode --json OUT [--seconds 450] [--smoke]

bf16, prompts of 512 tokens, 64 out, random weights, 125M to 8B weights, batch 1 and then 16. The
bandwidth a step achieves is the bytes it must move (weights, cache at the mean context) over its
time, held against the datasheet's and against that of a streaming read measured here. Ours is timed
by events around the step, and once more as generate is: (t(64) - t(1)) / 63 by the wall clock.
torch and numpy are enough; without transformers its cells say so. Figures are written after every
cell; what the time did not suffice for is named, and a second call with the same file goes on.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from bayeslaw.errors import UnavailableError
from bayeslaw.lab.machine import check_device, device_name, versions
from bayeslaw.space import DEVICES, Workload
from benchmarks.gpu.cells import circumstances, taken_up, time_limit, write_figures
from benchmarks.gpu.decode_contestants import (
    COMPILED,
    CONTESTANTS,
    SHAPES,
    SMOKE_SHAPES,
    DecodeShape,
    decode_figures,
    read_bandwidth,
)

BATCH_SIZES = (1, 16)
CELL_SECONDS = 4.0
ENOUGH_SHARE = 0.75
LARGE_PARAMS = 1e9
KEYS = ("shape", "batch_size", "contestant")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.decode", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where the figures go")
    parser.add_argument("--seconds", type=int, default=450, help="wall time for everything")
    parser.add_argument("--smoke", action="store_true", help="a tiny shape on the CPU")
    arguments = parser.parse_args()
    figures = measure(arguments.json, arguments.seconds, arguments.smoke)
    print(json.dumps({key: figures[key] for key in ("headline", "not_reached")}, indent=2))


def measure(path: Path, seconds: int, smoke: bool = False) -> dict[str, Any]:
    """Fill the file at ``path`` with cells until all are there or the time is up."""
    start = time.perf_counter()
    device = torch.device("cpu" if smoke else "cuda")
    check_device(device.type)
    figures = taken_up(path, device, smoke) or {
        "benchmark": "gpu.decode",
        "smoke": smoke,
        "device": device_name(device.type, 1),
        "versions": versions(),
        "cells": [],
    }
    figures |= circumstances()
    wanted = wanted_cells(smoke)
    with time_limit(seconds):
        if "read_bandwidth" not in figures:
            figures["read_bandwidth"] = read_bandwidth(device, (2**26 if smoke else 2**32))
        for shape, batch_size, contestant in wanted:
            if (shape.name, batch_size, contestant) in _done(figures):
                continue
            workload = _workload(batch_size, smoke)
            cell: dict[str, Any] = {
                "shape": shape.name, "batch_size": batch_size, "contestant": contestant,
            }  # fmt: skip
            cell |= race(contestant, shape, workload, device, 0.3 if smoke else CELL_SECONDS)
            if "tpot_ms" in cell:
                cell |= rates(shape, workload, cell["tpot_ms"], figures)
            figures["cells"].append(cell)
            write_figures(path, figures)
            print(_line(cell), flush=True)
    figures["not_reached"] = [
        [shape.name, *rest] for shape, *rest in wanted if (shape.name, *rest) not in _done(figures)
    ]
    pairs = list(dict.fromkeys((shape.name, batch_size) for shape, batch_size, _ in wanted))
    figures["headline"] = headline(figures["cells"], pairs)
    figures["seconds_of_this_call"] = time.perf_counter() - start
    write_figures(path, figures)
    return figures


def wanted_cells(smoke: bool) -> list[tuple[DecodeShape, int, str]]:
    """Return shape, batch and contestant of every cell; what matters most is measured first."""
    shapes = SMOKE_SHAPES if smoke else SHAPES
    batch_sizes = BATCH_SIZES[:1] if smoke else BATCH_SIZES
    return [
        (shape, batch_size, contestant)
        for contestants in (CONTESTANTS, COMPILED)
        for batch_size in batch_sizes
        for contestant in contestants
        for shape in shapes
    ]


def race(
    contestant: str, shape: DecodeShape, workload: Workload, device: torch.device, seconds: float
) -> dict[str, Any]:
    """Time one cell, or say why there is no figure; one that fails costs the others nothing."""
    try:
        return decode_figures(contestant, shape.architecture, workload, device, seconds)
    except UnavailableError as error:
        return {"unavailable": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"[:1000]}
    finally:
        if contestant in COMPILED:
            torch.compiler.reset()
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def rates(
    shape: DecodeShape, workload: Workload, tpot_ms: float, figures: dict[str, Any]
) -> dict[str, Any]:
    """Return what a step's time means as bandwidth.

    The bytes are those at the mean context: the cache holds the prompt before the first step and
    all tokens but the last before the last.
    """
    a, w = shape.architecture, workload
    mean_context = w.prompt_tokens + (w.output_tokens - 2) // 2
    n_bytes = a.decode_bytes(w.batch_size, mean_context, w.bytes_per_value)
    bandwidth = n_bytes / (tpot_ms / 1e3)
    known = DEVICES.get(figures["device"])
    of_datasheet = None if known is None else bandwidth / known.memory_bandwidth
    rated: dict[str, Any] = {
        "n_params": a.n_params,
        "decode_bytes": n_bytes,
        "bandwidth": bandwidth,
        "share_of_datasheet": of_datasheet,
        "share_of_read_bandwidth": bandwidth / figures["read_bandwidth"],
    }
    if a.n_params >= LARGE_PARAMS and w.batch_size == 1 and of_datasheet is not None:
        rated["meets_75"] = of_datasheet >= ENOUGH_SHARE
    return rated


def headline(cells: list[dict[str, Any]], wanted: list[tuple[str, int]]) -> dict[str, Any]:
    """Return ours' shares of the bandwidth at batch 1, and the fastest generate over ours.

    Args:
        cells: As measured.
        wanted: Shapes and batch sizes the claim is about.

    Returns:
        Ratios above 1 where ours is faster, for what both sides have. ``faster_on_every_shape`` is
        None for a batch size of which a wanted shape lacks a side.
    """
    timed = [cell for cell in cells if "tpot_ms" in cell]
    ours = {(c["shape"], c["batch_size"]): c for c in timed if c["contestant"] == CONTESTANTS[0]}
    single = {shape: cell for (shape, batch_size), cell in ours.items() if batch_size == 1}
    peers: dict[tuple[str, int], float] = {}
    for cell in timed:
        if cell["contestant"].startswith("transformers"):
            key = cell["shape"], cell["batch_size"]
            peers[key] = min(cell["tpot_ms"], peers.get(key, float("inf")))
    ratios: dict[str, dict[str, dict[str, float]]] = {"tpot_ms": {}, "tpot_of_generation_ms": {}}
    for key in ours.keys() & peers.keys():
        for figure, found in ratios.items():
            if ours[key].get(figure) is not None:
                of_batch = found.setdefault(_label(key[1]), {})
                of_batch[key[0]] = peers[key] / ours[key][figure]
    faster: dict[str, bool | None] = {}
    for batch_size in sorted({batch_size for _, batch_size in wanted}):
        keys = [key for key in wanted if key[1] == batch_size]
        reached = all(key in ours and key in peers for key in keys)
        wins = [peers[key] > ours[key]["tpot_ms"] for key in keys] if reached else None
        faster[_label(batch_size)] = None if wins is None else all(wins)
    return {
        "share_of_datasheet": {shape: cell["share_of_datasheet"] for shape, cell in single.items()},
        "share_of_read_bandwidth": {
            shape: cell["share_of_read_bandwidth"] for shape, cell in single.items()
        },
        "meets_75": {s: cell["meets_75"] for s, cell in single.items() if "meets_75" in cell},
        "generate_over_ours": ratios["tpot_ms"],
        "generate_over_our_generation": ratios["tpot_of_generation_ms"],
        "faster_on_every_shape": faster,
    }


def _label(batch_size: int) -> str:
    return f"batch {batch_size}"


def _workload(batch_size: int, smoke: bool) -> Workload:
    return Workload(batch_size, 8, 32) if smoke else Workload(batch_size, 512, 64, "bfloat16")


def _done(figures: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {tuple(cell[key] for key in KEYS) for cell in figures["cells"]}


def _line(cell: dict[str, Any]) -> str:
    shown = ("tpot_ms", "tpot_of_generation_ms", "share_of_datasheet", "share_of_read_bandwidth",
             "out_of_memory", "unavailable", "failed")  # fmt: skip
    found = {key: cell[key] for key in shown if key in cell}
    return " ".join(str(cell[key]) for key in KEYS) + f" {found}"


if __name__ == "__main__":
    main()
