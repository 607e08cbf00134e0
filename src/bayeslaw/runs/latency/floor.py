"""The least time that physics allows, and the refusal of rows below it."""

from __future__ import annotations

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import Device

FLOOR_SHARE = 0.9
"""Rows below this share of the floor are refused; datasheets are rounded, clocks wander."""

_PHASES = {"prefill": "prefills", "decode": "steps"}


def physical_floor_ms(
    table: LatencyTable, device: Device, *, cache_bytes: float | None = None
) -> np.ndarray:
    """Return the least latency of each row on a device [ms], ``(row,)``.

    A pass takes at least its FLOPs over the peak, and at least its bytes over the bandwidth,
    whichever is longer; devices that share the work share it perfectly. Weights are read once a
    pass unless all of them fit the caches, and so is the KV cache.

    Args:
        table: Rows on that device.
        device: Its ceilings.
        cache_bytes: Of one device, in place of the datasheet's [byte].

    Raises:
        InvalidInputError: The device has no peak for a row's precision.

    >>> from bayeslaw.space import Architecture, DEVICES, Workload
    >>> qwen2_7b = Architecture(28, 3584, 28, 4, 128, 18944, 152064)
    >>> load = Workload(1, 2048, 2048, "float16", "TensorRT-LLM", "h100-sxm")
    >>> rows = LatencyTable.ask([qwen2_7b], load, "e2el_ms")
    >>> physical_floor_ms(rows, DEVICES["h100-sxm"]).round(-2).tolist()
    [8800.0]
    """
    total = np.zeros(len(table))
    for phase in _PHASES:
        flop, byte = _pass_seconds(table, device, phase, cache_bytes)
        total += table[f"{phase}_passes"] * np.maximum(flop, byte)
    return 1e3 * total


def below_floor(
    table: LatencyTable,
    device: Device,
    *,
    rows: np.ndarray | None = None,
    share: float = FLOOR_SHARE,
) -> dict[int, str]:
    """Return the rows (of those given, by number) below a share of the floor, with the arithmetic."""
    numbers = np.arange(len(table)) if rows is None else rows
    some = table if rows is None else table.where(rows)
    floor_ms = physical_floor_ms(some, device)
    return {
        int(numbers[i]): f"{table.describe(int(numbers[i]))}: {_arithmetic(some, device, i)} = "
        f"{floor_ms[i] / 1e3:.3g} s > {some['latency_ms'][i] / 1e3:.3g} s"
        for i in np.flatnonzero(some["latency_ms"] < share * floor_ms).tolist()
    }


def check_floor(table: LatencyTable, device: Device, *, share: float = FLOOR_SHARE) -> None:
    """Refuse a table with a row faster than a share of the floor.

    Raises:
        InvalidInputError: Naming the row, with the arithmetic.
    """
    if impossible := below_floor(table, device, share=share):
        raise InvalidInputError(
            f"{len(impossible)} of {len(table)} rows are faster than {device.name} can be; the "
            f"first is {next(iter(impossible.values()))}. Is the unit, the device, the number of "
            f"devices, the precision (TF32 counts as float32 here) or the output length another?"
        )


def _pass_seconds(
    table: LatencyTable, device: Device, phase: str, cache_bytes: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return seconds of one pass by arithmetic and by bytes, each ``(row,)``."""
    n_devices = table["n_devices"]
    precisions = set(table.labels["precision"])
    peaks = {precision: device.peak(precision) for precision in precisions}
    peak = np.array([peaks[precision] for precision in table.labels["precision"]])
    flops = table[f"{phase}_gemm_flops"] + table[f"{phase}_attention_flops"]
    return (
        flops / (peak * n_devices),
        _bytes_that_move(table, device, phase, cache_bytes) / (device.memory_bandwidth * n_devices),
    )


def _bytes_that_move(
    table: LatencyTable, device: Device, phase: str, cache_bytes: float | None
) -> np.ndarray:
    """Return the bytes of one pass that the caches cannot hold, ``(row,)``."""
    size = cache_bytes if cache_bytes is not None else device.cache_bytes or 0.0
    moved = table[f"{phase}_weight_bytes"] + table[f"{phase}_cache_bytes"]
    return np.where(moved <= size * table["n_devices"], 0.0, moved)


def _arithmetic(table: LatencyTable, device: Device, row: int) -> str:
    one = table.where(np.array([row]))
    terms = []
    for phase, unit in _PHASES.items():
        passes = one[f"{phase}_passes"][0]
        if not passes:
            continue
        flop, byte = (seconds[0] for seconds in _pass_seconds(one, device, phase, None))
        n_devices = one["n_devices"][0]
        parallel = f" / {n_devices:g}" if n_devices != 1 else ""
        if flop > byte:
            flops = one[f"{phase}_gemm_flops"][0] + one[f"{phase}_attention_flops"][0]
            peak = device.peak(one.labels["precision"][0])
            ratio = f"{flops:.3g} FLOP / {peak:.3g} FLOP/s"
        else:
            moved = _bytes_that_move(one, device, phase, None)[0]
            ratio = f"{moved:.3g} byte / {device.memory_bandwidth:.3g} byte/s"
        name = unit if passes != 1 else unit.removesuffix("s")
        terms.append(f"{passes:,.0f} {name} x {ratio}{parallel}")
    return " + ".join(terms)
