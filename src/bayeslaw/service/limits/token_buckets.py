"""How often somebody may do something."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class TokenBuckets:
    """Hold a bucket for each key, which fills steadily and from which each request takes one.

    Memory is bounded: the bucket that was used longest ago is forgotten (and so full again) when
    there are too many keys. Not for several threads.

    Args:
        per_s: What flows in [1/s].
        burst: What a bucket holds [count].
        max_keys: Buckets that are kept [count].
        elapsed: Counts seconds from any start and never goes back [s].

    >>> seconds = iter([0.0, 0.0, 0.0, 0.5])
    >>> buckets = TokenBuckets(per_s=2, burst=2, elapsed=lambda: next(seconds))
    >>> [buckets.take("a") for _ in range(4)]
    [0.0, 0.0, 0.5, 0.0]
    """

    def __init__(
        self,
        *,
        per_s: float,
        burst: float,
        max_keys: int = 10_000,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._max_keys = max_keys
        self._elapsed = elapsed
        # Key to what is in its bucket, and when that was so.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> float:
        """Take one out of a bucket; return 0, or how long to wait until there is one [s]."""
        now = self._elapsed()
        level = self._level(key, now)
        wait_s = 0.0
        if level >= 1:
            level -= 1
        else:
            wait_s = (1 - level) / self._per_s
        self._buckets[key] = (level, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait_s

    def is_empty(self, key: str) -> bool:
        """Say whether `take` would have to wait."""
        return self._level(key, self._elapsed()) < 1

    def _level(self, key: str, now: float) -> float:
        level, at = self._buckets.get(key, (self._burst, now))
        return min(self._burst, level + (now - at) * self._per_s)
