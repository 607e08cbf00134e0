"""How long requests took, by what was asked."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any


class Latencies:
    """Collect latencies inside a window of time, and what was answered.

    Args:
        begin: Of the window, on the clock of `time.perf_counter` [s]; what was to be sent before
            is not counted.
        end: Of the window [s].
    """

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._statuses: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, what: str, meant_at: float, now: float, status: str) -> None:
        """Note an answer.

        Args:
            what: Was asked.
            meant_at: When it was to be sent: a queue before it counts [s].
            now: When the whole answer was there [s].
            status: What it was, with the problem's code if it had one.
        """
        if self.begin <= meant_at < self.end:
            self._seconds[what].append(now - meant_at)
            self._statuses[what][status] += 1

    def n(self, what: str, status: str) -> int:
        """Count answers of one kind."""
        return self._statuses[what][status]

    def all(self) -> list[float]:
        """Return every latency [s]."""
        return [second for seconds in self._seconds.values() for second in seconds]

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return counts, quantiles [ms] and answers by what was asked."""
        return {
            what: {**quantiles_ms(seconds), "answers": dict(self._statuses[what])}
            for what, seconds in sorted(self._seconds.items())
        }


def quantiles_ms(seconds: list[float]) -> dict[str, float | int]:
    """Return number, quantiles and largest of some times [ms].

    >>> quantiles_ms([0.001, 0.002, 0.003])
    {'n': 3, 'p50_ms': 2.0, 'p90_ms': 3.0, 'p99_ms': 3.0, 'p999_ms': 3.0, 'max_ms': 3.0}
    """
    found = sorted(seconds)
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "max_ms": 1.0}
    return {"n": len(found)} | {
        # The nearest rank: no interpolation makes the tail look better than what was seen.
        name: round(1e3 * found[max(0, math.ceil(share * len(found)) - 1)], 3)
        if found
        else math.nan
        for name, share in shares.items()
    }
