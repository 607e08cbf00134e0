"""The time that leases are counted by."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Tell the time [s since 1970] without ever going back.

    The wall clock is read once; from there a monotonic clock counts on. So a wall clock that is
    set, forward or back, ends no lease early and makes none last longer, as long as the process
    lives. A process that starts after the clock was set back finds leases that end too far in
    the future; `bayeslaw.study.leases.expire` anchors them anew.

    Args:
        wall: Read once [s since 1970].
        elapsed: Counts seconds from any start and never goes back [s].

    >>> times = iter([100.0, 100.5, 103.0])
    >>> clock = SteadyClock(wall=lambda: 1e9, elapsed=lambda: next(times))
    >>> clock(), clock()
    (1000000000.5, 1000000003.0)
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._elapsed = elapsed
        self._offset = wall() - elapsed()

    def __call__(self) -> float:
        """Return the present time [s since 1970]."""
        return self._offset + self._elapsed()
