"""Planner processes, started with the service, started again when they die, ended with it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOG = logging.getLogger("bayeslaw.planner")

STORE_VARIABLE = "BAYESLAW_STORE"
"""Where a planner finds the store's address, unless it is given as an argument."""

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
# Who lived so long was well; the next death counts as the first.
_WELL_AFTER_S = 60.0
_GRACE_S = 10.0
_LOOK_EVERY_S = 0.1


@dataclass
class _Child:
    index: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    not_before: float = 0.0
    n_deaths_in_a_row: int = 0


class PlannerSupervisor:
    """Keep planner processes alive.

    A planner that dies is started again after a wait that doubles with every death in a row, up to
    half a minute. When this process dies, however it does, its planners end within a quarter of a
    second (`bayeslaw.service.planner.parent`).

    Args:
        home: The service's folder.
        store_url: Address of the store, or its file.
        n_planners: Processes that share the studies [count].
    """

    def __init__(self, home: Path | str, store_url: str, n_planners: int = 1) -> None:
        self._home, self._store_url = Path(home), store_url
        self._children = [_Child(index) for index in range(n_planners)]
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._n_restarts = 0
        self._last_exit: int | None = None

    def start(self) -> None:
        """Start the planners and watch them; returns at once."""
        self._thread = threading.Thread(target=self._watch, daemon=True, name="planners")
        self._thread.start()

    def stop(self) -> None:
        """End the planners, politely first; harmless when nothing was started."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for process in living:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in self._children:
            child.process = None

    def state(self) -> dict[str, Any]:
        """Return how the planners are.

        Returns:
            ``is_alive`` (all of them), ``detail``, ``pids``, ``n_alive``, ``n_restarts``,
            ``last_exit`` (None before the first death) and ``resident_bytes`` of all together.
        """
        alive = [c.process for c in self._children if c.process and c.process.poll() is None]
        n = len(self._children)
        return {
            "is_alive": len(alive) == n,
            "detail": f"{len(alive)} of {n} planners are alive; {self._n_restarts} had died",
            "pids": [process.pid for process in alive],
            "n_alive": len(alive),
            "n_restarts": self._n_restarts,
            "last_exit": self._last_exit,
            "resident_bytes": sum(_resident_bytes(process.pid) for process in alive),
        }

    def _watch(self) -> None:
        while not self._is_stopping.is_set():
            for child in self._children:
                self._look_at(child)
            self._is_stopping.wait(_LOOK_EVERY_S)

    def _look_at(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.not_before:
                self._start(child)
            return
        if (code := child.process.poll()) is None:
            return
        self._last_exit, child.process = code, None
        self._n_restarts += 1
        lived_s = now - child.started_at
        child.n_deaths_in_a_row = 1 if lived_s > _WELL_AFTER_S else child.n_deaths_in_a_row + 1
        wait_s = min(_FIRST_WAIT_S * 2 ** (child.n_deaths_in_a_row - 1), _LONGEST_WAIT_S)
        child.not_before = now + wait_s
        _LOG.warning("planner %d ended with %d; again in %.1f s", child.index, code, wait_s)

    def _start(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        child.process = subprocess.Popen(
            [
                sys.executable, "-m", "bayeslaw.service.planner",
                "--home", str(self._home),
                "--index", str(child.index), "--of", str(len(self._children)),
                "--parent", str(os.getpid()),
            ],
            # Not an argument: an address may hold a password, and `ps` shows arguments to everybody.
            env={**os.environ, STORE_VARIABLE: self._store_url},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


def _resident_bytes(pid: int) -> int:
    """Return the memory that a process holds [byte]; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
