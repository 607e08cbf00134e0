"""Questions about spaces, answered by a process that can be ended."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from bayeslaw.errors import UndecidedError
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.space_check import MAX_CPU_S, MAX_MEMORY_BYTES

_MOST_WAITING = 8


class SpaceChecks:
    """Answer questions about spaces, one at a time.

    Args:
        timeout_s: Longest that one may take [s].
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._turn = asyncio.Semaphore(1)
        self._n_waiting = 0

    async def check(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `bayeslaw.service.space_check` finds.

        Raises:
            UndecidedError: It took too long or too much memory.
            ProblemError: 503 ``overloaded``: too many wait for their turn.
        """
        if self._n_waiting >= _MOST_WAITING:
            raise ProblemError(
                503,
                "overloaded",
                f"{self._n_waiting} spaces are waiting to be looked through",
                "ask again later",
                {"Retry-After": "10"},
            )
        self._n_waiting += 1
        try:
            return await self._answer(question)
        finally:
            self._n_waiting -= 1

    async def _answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        async with self._turn:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bayeslaw.service.space_check",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    said, _ = await process.communicate(json.dumps(question).encode())
            except TimeoutError:
                raise UndecidedError(
                    f"no answer after {self._timeout_s:g} s; loosen a constraint, or list choices "
                    f"instead of ranges"
                ) from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode != 0:
            raise UndecidedError(
                f"no answer within {MAX_CPU_S} CPU-seconds and {MAX_MEMORY_BYTES >> 30} GiB; loosen "
                f"a constraint, or narrow the axes"
            )
        return json.loads(said)
