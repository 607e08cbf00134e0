"""Repeated timings of one action, as a median and a spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

MIN_REPEATS = 5
ENOUGH_REPEATS = 20
# Twenty repeats of a fast network are over in a blink, in which one stranger's burst hits them all.
ENOUGH_SECONDS = 0.3
MAX_SECONDS = 1.0
WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """Summarise repeats of one action.

    Attributes:
        median_ms: Of the repeats [ms].
        iqr_ms: Upper less lower quartile [ms].
        n_repeats: Repeats [count].
    """

    median_ms: float
    iqr_ms: float
    n_repeats: int

    @classmethod
    def of(cls, samples_ms: list[float]) -> Timing:
        """Summarise at least two samples [ms].

        >>> Timing.of([1.0, 2.0, 3.0, 4.0, 100.0])
        Timing(median_ms=3.0, iqr_ms=2.0, n_repeats=5)
        """
        lower, median, upper = statistics.quantiles(samples_ms, n=4, method="inclusive")
        return cls(median, upper - lower, len(samples_ms))


def time_repeatedly(action: Callable[[], object], device: str) -> Timing:
    """Time an action after warm-up until there is enough to trust a median.

    Repeats end after 20 of them and 0.3 s, or after 1 s when there are at least 5.

    Args:
        action: What to time; it leaves things as it found them.
        device: ``cpu`` (wall clock) or ``cuda`` (events on the stream, so that the host's queueing
            is not counted twice).
    """
    elapsed_ms = _cuda_ms if device == "cuda" else _wall_ms
    for _ in range(WARM_UPS):
        elapsed_ms(action)
    samples: list[float] = []
    started = time.perf_counter()
    while True:
        samples.append(elapsed_ms(action))
        spent = time.perf_counter() - started
        if len(samples) >= ENOUGH_REPEATS and spent >= ENOUGH_SECONDS:
            break
        if len(samples) >= MIN_REPEATS and spent >= MAX_SECONDS:
            break
    return Timing.of(samples)


def _wall_ms(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1e3


def _cuda_ms(action: Callable[[], object]) -> float:
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    action()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)
