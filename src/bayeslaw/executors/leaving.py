"""A block that is left in order also when the process is told to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class OrderlyExit:
    """Turn SIGTERM into `SystemExit` between `enter` and `leave`.

    By default SIGTERM ends Python on the spot and no block is left in order. Somebody else's
    handler is respected, and only the main thread can have one.
    """

    def __init__(self) -> None:
        self._has_handler = False

    def enter(self) -> None:
        """Begin to heed SIGTERM."""
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGTERM, _exit_in_order)
            self._has_handler = True

    def leave(self) -> None:
        """Leave SIGTERM as it was."""
        if self._has_handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._has_handler = False


def _exit_in_order(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
