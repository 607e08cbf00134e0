"""Being told to stop: by a scheduler whose time is up, by an executor, by a person.

A signal is taken down and training asks for it between steps, so that what is saved is whole.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGTERM is everybody's; Slurm's --signal is told USR1 or USR2 by habit. Windows has only the first.
_SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
]
_received: list[int] = []


class Interrupted(BaseException):
    """Training stopped because it was told to; its state is saved.

    Not an error, so like KeyboardInterrupt it passes by those who catch errors.
    """


@contextmanager
def heeded() -> Iterator[None]:
    """Take down SIGTERM, SIGUSR1 and SIGUSR2 in this block instead of dying of them.

    Only the main thread can; what was done on these signals before is done again afterwards.
    """
    _received.clear()
    before = {number: signal.signal(number, _take_down) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def requested() -> bool:
    """Return whether this process was told to stop; processes that train together must agree."""
    return bool(_received)


def received() -> str:
    """Return the name of the signal that came first, empty when none did."""
    return signal.Signals(_received[0]).name if _received else ""


def _take_down(number: int, _: FrameType | None) -> None:
    _received.append(number)
