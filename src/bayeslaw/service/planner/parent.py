"""A process that ends with the one that started it, so that none is ever left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_LOOK_EVERY_S = 0.25


def end_with(parent: int, leave: Callable[[], object] = lambda: None) -> None:
    """End this process, at once and from any state, when the process that started it is gone.

    Args:
        parent: Its process number; this process ends now if it has another parent already.
        leave: Called before the end, from another thread than the main one.
    """
    threading.Thread(target=_watch, args=(parent, leave), daemon=True, name="parent").start()


def _watch(parent: int, leave: Callable[[], object]) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    # Not sys.exit: the main thread may be inside a compiler for many seconds. Nothing is lost:
    # what counts is in the store, and a file is there whole or not at all.
    try:
        leave()
    finally:
        os._exit(0)
