"""Rooflines with few constants, and the nearest device's timings times one factor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from bayeslaw.models.latency.roofline import RIDGE_SHARPNESS, guess_ceilings
from bayeslaw.runs import LatencyTable
from bayeslaw.space import Device
from benchmarks.latency_surrogate.baselines import boosted_fill, log_ms
from benchmarks.latency_surrogate.scores import Forecast

FLOP_EFFICIENCY, BYTE_EFFICIENCY = 0.6, 0.7
_USUAL_SPREAD = 0.3
_OVERHEAD_SECONDS = (1e-4, 1e-5)
_RIDGE = 1e-3
_FEWEST_TO_FILL = 4
_PHASES = ("prefill", "decode")


def log_roofline(table: LatencyTable, logs: np.ndarray) -> np.ndarray:
    """Return the roofline of each row's figure [log ms], ``(row,)``.

    Args:
        table: The rows.
        logs: Log FLOP/s and byte/s; then, if given, log seconds a pass and a layer.
    """
    rates, overheads = np.exp(logs[:2]), np.exp(logs[2:])
    seconds = np.zeros(len(table))
    p = RIDGE_SHARPNESS
    for phase in _PHASES:
        work = {
            kind: table[f"{phase}_{kind}"] / table["n_devices"]
            for kind in ("gemm_flops", "attention_flops", "weight_bytes", "cache_bytes")
        }
        compute = (work["gemm_flops"] + work["attention_flops"]) / rates[0]
        moved = work["weight_bytes"] + work["cache_bytes"]
        if len(overheads):
            moved = moved + table[f"{phase}_activation_bytes"] / table["n_devices"]
        one_pass = (compute**p + (moved / rates[1]) ** p) ** (1 / p)
        if len(overheads):
            one_pass = one_pass + overheads[0] + overheads[1] * table["n_layers"]
        seconds += table[f"{phase}_passes"] * one_pass
    return np.log(1e3 * seconds)


def roofline(train: LatencyTable | None, test: LatencyTable, device: Device | None) -> Forecast:
    """Take 0.6 of the datasheet's peak and 0.7 of its bandwidth; fit the two where there is none.

    The interval is normal, its width that of the fitted rows' errors; with none, 0.3 in log.

    Args:
        train: Timings; None needs a datasheet.
        test: To predict.
        device: Its datasheet.
    """
    if device is not None:
        logs = np.log(
            [
                FLOP_EFFICIENCY * device.peak(test.labels["precision"][0]),
                BYTE_EFFICIENCY * device.memory_bandwidth,
            ]
        )
        if train is None:
            return Forecast.normal(log_roofline(test, logs), _USUAL_SPREAD)
        errors = log_ms(train) - log_roofline(train, logs)
        return Forecast.normal(log_roofline(test, logs), np.sqrt((errors**2).mean()))
    if train is None:
        raise ValueError("a roofline needs a datasheet or timings")
    return _fitted(train, test, _start(train, None))


def roofline_calibrated(train: LatencyTable, test: LatencyTable, device: Device | None) -> Forecast:
    """Fit two rates and two overheads (a pass, a layer) by least squares of log latency."""
    start = np.concatenate([_start(train, device), np.log(_OVERHEAD_SECONDS)])
    return _fitted(train, test, start)


def _start(train: LatencyTable, device: Device | None) -> np.ndarray:
    if device is not None:
        return np.log(
            [
                FLOP_EFFICIENCY * device.peak(train.labels["precision"][0]),
                BYTE_EFFICIENCY * device.memory_bandwidth,
            ]
        )
    guessed = guess_ceilings(train)
    return np.log([guessed.flops_per_second / 1.5, guessed.bytes_per_second / 1.5])


def _fitted(train: LatencyTable, test: LatencyTable, start: np.ndarray) -> Forecast:
    target = log_ms(train)

    def errors(logs: np.ndarray) -> np.ndarray:
        # A breath of a ridge decides what timings leave open, such as a rate nothing waits for.
        return np.concatenate([log_roofline(train, logs) - target, _RIDGE * (logs - start)])

    found = least_squares(errors, start).x
    spread = np.sqrt(
        ((log_roofline(train, found) - target) ** 2).sum() / max(len(target) - len(start), 1)
    )
    return Forecast.normal(log_roofline(test, found), spread)


@dataclass(frozen=True)
class Neighbours:
    """Hold what other devices' timings say of every row of a table.

    Attributes:
        logs: Log latency [log ms] of each row on each device, ``(row,)``; where a case was not
            timed there, what boosted trees fitted to that device's timings say.
    """

    logs: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls, table: LatencyTable, sources: LatencyTable, known: Mapping[str, np.ndarray]
    ) -> Neighbours:
        """Fill what was not timed.

        Args:
            table: Rows of the new device.
            sources: Timings of the others.
            known: Their log latency of each row's case, NaN where there is none; those of the new
                device's engine alone are looked at where there are any.
        """
        engine = table.labels["engine"][0]
        same = {name: values for name, values in known.items() if name.split("/", 1)[1] == engine}
        logs = {}
        for name, values in (same or known).items():
            device, of_engine = name.split("/", 1)
            lacks, filled = np.isnan(values), values.copy()
            if lacks.any():
                rows = sources.select(device=device, engine=of_engine)
                if len(rows) < _FEWEST_TO_FILL:
                    continue
                filled[lacks] = boosted_fill(rows, table.where(lacks))
            logs[name] = filled
        return cls(logs)

    def rescaled(self, table: LatencyTable, train: np.ndarray, test: np.ndarray) -> Forecast:
        """Return the timings of the device that is nearest up to a factor, times that factor.

        Nearest is where log latencies less their mean differ least over the measured rows.
        """
        target = log_ms(table)[train]
        best: tuple[float, float, str] | None = None
        for name, values in self.logs.items():
            apart = target - values[train]
            spread = float(np.sqrt(((apart - apart.mean()) ** 2).sum() / max(len(train) - 1, 1)))
            if best is None or spread < best[0]:
                best = (spread, float(apart.mean()), name)
        if best is None:
            raise ValueError("there is no other device")
        spread, factor, name = best
        return Forecast.normal(self.logs[name][test] + factor, spread)


Fit = Callable[[LatencyTable, LatencyTable, Device | None], Forecast]
