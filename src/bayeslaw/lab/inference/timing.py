"""Repeated timings of actions, each as a median, a spread and percentiles."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from bayeslaw.runs.measurement import PERCENTILES

MIN_REPEATS = 30
# Seconds for each round. On a shared machine a stranger's burst lasts some tenths of a second: at
# 0.3 s one of fifteen networks came out 1.6x too slow, so rounds take turns over a longer time.
# A GPU is nobody else's, and its minutes are dear.
ENOUGH_SECONDS = {"cpu": 1.0, "cuda": 0.3}
BLOCK_SECONDS = 0.1
# Warm-up goes on until two windows in a row agree, or until that takes too long.
WARM_UP_SECONDS = {"cpu": 0.5, "cuda": 3.0}
WINDOW_SECONDS, WINDOW_REPEATS = 0.05, 3
SETTLED = 0.02

Action = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """Summarise repeats of one action.

    Attributes:
        median_ms: Of the repeats [ms].
        iqr_ms: Upper less lower quartile [ms].
        n_repeats: Repeats [count].
        percentiles_ms: ``p10`` to ``p99`` [ms].
    """

    median_ms: float
    iqr_ms: float
    n_repeats: int
    percentiles_ms: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, samples_ms: Sequence[float] | np.ndarray) -> Timing:
        """Summarise at least one sample [ms].

        >>> found = Timing.of([1.0, 2.0, 3.0, 4.0, 100.0])
        >>> found.median_ms, found.iqr_ms, found.n_repeats, found.percentiles_ms["p75"]
        (3.0, 2.0, 5, 4.0)
        """
        values = np.percentile(np.asarray(samples_ms, dtype=np.float64), PERCENTILES)
        found = {f"p{p}": float(value) for p, value in zip(PERCENTILES, values, strict=True)}
        return cls(found["p50"], found["p75"] - found["p25"], len(samples_ms), found)


@dataclass(frozen=True, slots=True)
class Round:
    """Name actions that are timed one after the other, each for itself.

    Attributes:
        actions: Each leaves things as it found them.
        queued: On a GPU, whether an untimed first action keeps it busy while the host queues the
            others: what is timed is then the GPU alone, as when tokens follow on tokens.
    """

    actions: Sequence[Action]
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Repeats:
    """Hold what a round took, time after time.

    Attributes:
        samples_ms: ``(repeat, action)`` [ms].
        settled: Whether warm-up ended with two windows' medians within 2 % of each other.
        warm_up_repeats: Rounds run before the first that counts [count].
    """

    samples_ms: np.ndarray
    settled: bool
    warm_up_repeats: int


def time_in_turns(
    rounds: Sequence[Round], device: str, min_repeats: int = MIN_REPEATS
) -> list[Repeats]:
    """Time rounds of actions, block by block in turns, until there is enough to trust medians.

    After warm-up each round gets blocks of 0.1 s until it had its repeats and its seconds, so
    that what disturbs the machine for a moment hits a minority of its repeats.

    Args:
        rounds: What to time.
        device: ``cpu`` (wall clock) or ``cuda`` (events on the stream).
        min_repeats: Of every round [count].

    Returns:
        What each round took, in their order.
    """
    timers = [_cuda_timer(each) if device == "cuda" else _wall_timer(each) for each in rounds]
    warmed = [_warm_up(timer, WARM_UP_SECONDS[device]) for timer in timers]
    samples: list[list[list[float]]] = [[] for _ in rounds]
    waiting = list(range(len(rounds)))
    while waiting:
        for i in waiting:
            block_ends = time.perf_counter() + BLOCK_SECONDS
            samples[i].append(timers[i]())
            while time.perf_counter() < block_ends:
                samples[i].append(timers[i]())
        waiting = [
            i
            for i in waiting
            if len(samples[i]) < min_repeats
            or sum(map(sum, samples[i])) < 1e3 * ENOUGH_SECONDS[device]
        ]
    return [
        Repeats(np.array(found), settled, n_repeats)
        for found, (settled, n_repeats) in zip(samples, warmed, strict=True)
    ]


def _warm_up(timer: Callable[[], list[float]], max_seconds: float) -> tuple[bool, int]:
    """Repeat until two windows in a row agree; return whether they did, and the repeats."""
    started, before, n_repeats = time.perf_counter(), None, 0
    while True:
        window: list[float] = []
        opened = time.perf_counter()
        while len(window) < WINDOW_REPEATS or time.perf_counter() - opened < WINDOW_SECONDS:
            window.append(sum(timer()))
            if time.perf_counter() - started > max_seconds:
                return False, n_repeats + len(window)
        n_repeats += len(window)
        median = float(np.median(window))
        if before is not None and abs(median / before - 1) <= SETTLED:
            return True, n_repeats
        before = median


def _wall_timer(each: Round) -> Callable[[], list[float]]:
    def timed() -> list[float]:
        taken = []
        for action in each.actions:
            started = time.perf_counter()
            action()
            taken.append((time.perf_counter() - started) * 1e3)
        return taken

    return timed


def _cuda_timer(each: Round) -> Callable[[], list[float]]:
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(len(each.actions) + 1)]

    def timed() -> list[float]:
        torch.cuda.synchronize()
        if each.queued:
            each.actions[0]()
        marks[0].record()
        for action, mark in zip(each.actions, marks[1:], strict=True):
            action()
            mark.record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) for a, b in itertools.pairwise(marks)]

    return timed
