"""The door of the latency fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.roofline import Phase, count_work
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, Device, Workload

MIN_MEASUREMENTS = 4
# Clocks may boost above the datasheet by a little, never by this much.
IMPOSSIBLE = 0.9


def check_measurements(measurements: Sequence[Measurement], device: Device | None) -> None:
    """Refuse measurements that do not belong together or cannot be true."""
    cases = {(m.architecture, m.workload) for m in measurements}
    if len(cases) < MIN_MEASUREMENTS:
        raise InvalidInputError(
            f"a latency surrogate needs at least {MIN_MEASUREMENTS} measurements of different "
            f"architectures or workloads, got {len(cases)}; time more architectures"
        )
    for label, values in (
        ("devices", {m.device for m in measurements}),
        ("engine versions", {m.engine_version for m in measurements}),
        ("engines", {m.workload.engine for m in measurements}),
        ("precisions", {m.workload.precision for m in measurements}),
    ):
        if len(values) > 1:
            raise InvalidInputError(
                f"measurements mix {label} {sorted(values)}; fit one surrogate for each"
            )
    for m in measurements:
        _check_one(m)
        if device is not None:
            _check_possible(m, device)


def check_served(workload: Workload, measured: Workload) -> None:
    """Refuse a workload that the measurements say nothing about."""
    for name in ("precision", "engine", "device"):
        asked, known = getattr(workload, name), getattr(measured, name)
        if asked != known:
            raise InvalidInputError(
                f"latency was measured with {name}={known!r}, asked for {asked!r}; measure it"
            )


def _check_one(m: Measurement) -> None:
    for name in ("ttft_ms", "tpot_ms"):
        value, spread = getattr(m, name), getattr(m, name.replace("_ms", "_iqr_ms"))
        if not (np.isfinite(value) and value > 0):
            raise InvalidInputError(
                f"{name} of {m.architecture} must be positive milliseconds, got {value}"
            )
        if not (np.isfinite(spread) and spread >= 0):
            raise InvalidInputError(
                f"the interquartile range of {name} of {m.architecture} must be finite and not "
                f"negative, got {spread}"
            )
    if m.n_repeats < 1:
        raise InvalidInputError(f"n_repeats of {m.architecture} must be >= 1, got {m.n_repeats}")


def _check_possible(m: Measurement, device: Device) -> None:
    # Bandwidth is no floor: a small network's weights may stay in the device's cache.
    timed: tuple[tuple[Phase, float], ...] = (("prefill", m.ttft_ms), ("decode", m.tpot_ms))
    for phase, measured_ms in timed:
        floor_ms = _flop_floor_ms(m.architecture, m.workload, device, phase)
        if measured_ms < IMPOSSIBLE * floor_ms:
            raise InvalidInputError(
                f"{phase} of {m.architecture} took {measured_ms:.4g} ms, below the "
                f"{floor_ms:.4g} ms that {device.name!r} needs at its peak: the timing or the "
                f"device's figures are wrong"
            )


def _flop_floor_ms(
    architecture: Architecture, workload: Workload, device: Device, phase: Phase
) -> float:
    work = count_work([architecture], [workload], phase)
    return float(work.flops[0]) / device.peak(workload.precision) * 1e3
