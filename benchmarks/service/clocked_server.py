"""`bayeslaw serve` with a clock that can be set: seconds in the file ``offset`` of its home are added.

python -m benchmarks.service.clocked_server --home HOME --port PORT --planners 0 [--store URL]

This clock is worse than the service's own, which looks at the wall only once: every call of it shows the
wall clock as it is set now.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bayeslaw.service import serve as serving


class SettableClock:
    """Tell wall time plus what a file says.

    Args:
        path: Of a file with a number of seconds; 0 while there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1.0
        self._offset_s = 0.0

    def __call__(self) -> float:
        """Return the present time [s since 1970], as somebody has set it."""
        now = time.monotonic()
        if now - self._read_at > 0.02:
            self._read_at = now
            try:
                self._offset_s = float(self._path.read_text())
            except (OSError, ValueError):
                pass
        return time.time() + self._offset_s


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--planners", type=int, default=0)
    parser.add_argument("--store", default=None)
    options = parser.parse_args()
    clock = SettableClock(options.home / "offset")
    serving.SteadyClock = lambda: clock  # type: ignore[assignment, misc]
    serving.serve(
        options.home, store_url=options.store, port=options.port, n_planners=options.planners
    )


if __name__ == "__main__":
    main()
