"""The fitter as the planner sees it: asked, polled, and started again when it dies."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from bayeslaw.service.planner.trouble import Problem, problem

_LOG = logging.getLogger("bayeslaw.planner")
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Fit:
    """Say what became of a request.

    Attributes:
        request: As it was asked.
        place: Where the posteriors are; None where there are none.
        seconds: That fitting took [s].
        error: Why there are none.
        is_death: Whether the fitter died over it.
    """

    request: dict[str, Any]
    place: Path | None = None
    seconds: float = 0.0
    error: Problem | None = None
    is_death: bool = False


class Fits(Protocol):
    """What a planner needs of whoever fits: one request at a time, taken up again when it asks."""

    @property
    def is_free(self) -> bool:
        """Whether it may be asked now."""
        ...

    @property
    def asked(self) -> dict[str, Any] | None:
        """What it is working at."""
        ...

    def warm_up(self) -> None:
        """Make ready to be asked."""
        ...

    def ask(self, request: dict[str, Any]) -> None:
        """Hand over a request."""
        ...

    def poll(self) -> Fit | None:
        """Return what became of the request, once."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Fitter:
    """Run one fit at a time in a process of its own.

    A fitter that dies (memory, a fault in a compiler, a kill) takes nothing with it; the next is
    started when something is to be fitted, after a wait that doubles with every death in a row.

    Args:
        elapsed: Counts seconds from any start [s].
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._request: dict[str, Any] | None = None
        self._reader: threading.Thread | None = None
        self._n_deaths_in_a_row = 0
        self._not_before = 0.0
        self.n_starts = 0
        self.n_deaths = 0

    @property
    def pid(self) -> int | None:
        """Process number of the fitter; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def is_free(self) -> bool:
        """Whether it may be asked now."""
        return self._request is None and self._elapsed() >= self._not_before

    @property
    def asked(self) -> dict[str, Any] | None:
        """What it is working at."""
        return self._request

    def warm_up(self) -> None:
        """Start the process before it is needed: its libraries take seconds to load."""
        if self._process is None and self.is_free:
            self._start()

    def ask(self, request: dict[str, Any]) -> None:
        """Hand over a request; `poll` will say what became of it."""
        assert self._request is None, "one fit at a time"
        self._request = request
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except OSError:
            # It died since it was last asked; `poll` finds that out.
            _LOG.info("the fitter was gone when it was asked")

    def poll(self) -> Fit | None:
        """Return what became of the request, once; None while it is under way."""
        if self._request is None:
            return None
        try:
            line = self._answers.get_nowait()
        except queue.Empty:
            return None
        request, self._request = self._request, None
        if line is None:
            return Fit(request, error=self._bury(), is_death=True)
        self._n_deaths_in_a_row = 0
        answer = json.loads(line)
        if "error" in answer:
            return Fit(request, error=answer["error"])
        return Fit(request, Path(answer["place"]), answer["seconds"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _start(self) -> subprocess.Popen[str]:
        self._answers = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bayeslaw.service.planner.fitting", "--parent", str(os.getpid())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.n_starts += 1
        self._reader = threading.Thread(
            target=_read, args=(self._process.stdout, self._answers), daemon=True, name="fitter"
        )
        self._reader.start()
        return self._process

    def _bury(self) -> Problem:
        code = self._end()
        self.n_deaths += 1
        self._n_deaths_in_a_row += 1
        wait_s = min(_FIRST_WAIT_S * 2 ** (self._n_deaths_in_a_row - 1), _LONGEST_WAIT_S)
        self._not_before = self._elapsed() + wait_s
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        _LOG.warning("the fitter ended %s; another is started in %.1f s", how, wait_s)
        return problem(
            503, "fitter-died", f"the process that fits ended {how}", "nothing; it is tried again"
        )

    def _end(self) -> int:
        """Wait for the process that is ending, and let go of its pipes."""
        process, self._process = self._process, None
        assert process is not None and process.stdin is not None and process.stdout is not None
        code = process.wait()
        if self._reader is not None:
            self._reader.join()
        with contextlib.suppress(OSError):  # what was not sent any more
            process.stdin.close()
        process.stdout.close()
        return code


def _read(pipe: IO[str], answers: queue.Queue[str | None]) -> None:
    for line in pipe:
        answers.put(line)
    answers.put(None)
