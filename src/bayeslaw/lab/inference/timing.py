"""Repeated timings of actions, each as a median and a spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

MIN_REPEATS = 5
ENOUGH_REPEATS = 20
WARM_UPS = 3
# Seconds for each action. On a shared machine a stranger's burst lasts some tenths of a second: at
# 0.3 s one of fifteen networks came out 1.6x too slow, so actions take turns over a longer time.
ENOUGH_SECONDS = 1.0
MAX_SECONDS = 2.0
BLOCK_SECONDS = 0.1


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


def time_in_turns(actions: Sequence[Callable[[], object]], device: str) -> list[Timing]:
    """Time actions, block by block in turns, until there is enough to trust medians.

    After warm-up each action gets blocks of 0.1 s until it had 20 repeats and 1 s, or 5 repeats
    and 2 s, so that what disturbs the machine for a moment hits a minority of its repeats.

    Args:
        actions: What to time; each leaves things as it found them.
        device: ``cpu`` (wall clock) or ``cuda`` (events on the stream, so that the host's queueing
            is not counted twice).

    Returns:
        One timing for each action, in their order.
    """
    elapsed_ms = _cuda_ms if device == "cuda" else _wall_ms
    samples: list[list[float]] = [[] for _ in actions]
    for action in actions:
        for _ in range(WARM_UPS):
            elapsed_ms(action)
    waiting = list(range(len(actions)))
    while waiting:
        for i in waiting:
            block_ends = time.perf_counter() + BLOCK_SECONDS
            while not samples[i] or time.perf_counter() < block_ends:
                samples[i].append(elapsed_ms(actions[i]))
        waiting = [i for i in waiting if not _is_enough(samples[i])]
    return [Timing.of(found) for found in samples]


def _is_enough(samples_ms: Sequence[float]) -> bool:
    seconds, n_repeats = sum(samples_ms) / 1e3, len(samples_ms)
    return (n_repeats >= ENOUGH_REPEATS and seconds >= ENOUGH_SECONDS) or (
        n_repeats >= MIN_REPEATS and seconds >= MAX_SECONDS
    )


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
