"""Looking for members of a space, in a process of its own that can be ended.

Constraints come from anybody, and looking for a member can take minutes and gigabytes where there
is hardly one, so neither the event loop nor a thread of the service should do it.
``python -m bayeslaw.service.space_check`` reads a question from its standard input and writes the
answer to its standard output; both are JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bayeslaw.errors import BayeslawError, UndecidedError
from bayeslaw.service.problems import ProblemError
from bayeslaw.service.schemas.architecture import architecture_answer
from bayeslaw.space import SearchSpace, Workload
from bayeslaw.study.config import StudyConfig

MAX_MEMORY_BYTES = 4 * 2**30
_EXAMPLES = 3
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
        """Return what `check` finds, computed by another process.

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
            raise UndecidedError("the space is too large to be looked through; narrow its axes")
        return json.loads(said)


def check(question: Mapping[str, Any]) -> dict[str, Any]:
    """Say whether a study could be made of a config or a space, and show members.

    Args:
        question: ``{"config": ...}`` or ``{"space": {"axes", "constraints", "tensor_parallel",
            "workload"}}``.

    >>> axes = dict(n_layers=[2, 4], d_model=64, n_heads=2, n_kv_heads=[1, 2], head_dim=32,
    ...             d_ff=128, vocab_size=257, n_tokens=1_000_000)
    >>> answer = check({"space": {"axes": axes}})
    >>> answer["is_valid"], answer["n_members"]["estimate"], len(answer["examples"])
    (True, 4.0, 3)
    """
    problems: list[dict[str, str]] = []

    def tried(part: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (BayeslawError, ArithmeticError, TypeError, ValueError) as error:
            problems.append({"part": part, "detail": str(error) or type(error).__name__})
            return None

    if question.get("config") is not None:
        config = tried("config", lambda: StudyConfig.from_dict(question["config"], source="config"))
        spaces = {
            "training": config and config.training_space,
            "target": config and config.target_space,
        }
    else:
        spaces = {"space": tried("space", lambda: _space(question["space"]))}
    members, examples = None, []
    for part, space in spaces.items():
        if space is None:
            continue
        found = tried(part, lambda space=space: space.sample(_EXAMPLES))
        if found and not examples:
            count = tried(part, space.count)
            examples = [architecture_answer(candidate.architecture) for candidate in found]
            members = count and {
                name: _number(getattr(count, name)) for name in ("low", "high", "estimate")
            }
    return {
        "is_valid": not problems,
        "problems": problems,
        "n_members": members,
        "examples": examples,
    }


def _space(said: Mapping[str, Any]) -> SearchSpace:
    workload = said.get("workload")
    return SearchSpace(
        axes=said["axes"],
        constraints=tuple(said.get("constraints", ())),
        workload=None if workload is None else Workload.from_dict(workload),
        tensor_parallel=said.get("tensor_parallel", 1),
    )


def _number(count: float) -> float:
    """Return a count that may be beyond what a float holds."""
    try:
        return float(count)
    except OverflowError:
        return math.nextafter(math.inf, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    print(json.dumps(check(json.load(sys.stdin)), allow_nan=False))
