"""What an executor is made of: circumstances that a study gives, and options of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bayeslaw.executors.protocol import Executor


class ExecutorOptions(BaseModel):
    """What a file's executor section may say besides name, slots and threads.

    A word that is not known is an error, so a typo is never ignored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Say what any executor is told, whichever it is.

    Attributes:
        slots: Jobs at once [count].
        command: What to run in a job's folder.
        threads: CPU threads of a job [count].
        device: What jobs run on.
        is_timing: Whether jobs are timings, which nothing else on their machine may disturb.
        grace_seconds: How long a cancelled job may take to end by itself [s].
    """

    slots: int
    command: tuple[str, ...]
    threads: int
    device: Literal["cpu", "cuda"] = "cpu"
    is_timing: bool = False
    grace_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ExecutorKind:
    """Tell a study how to open one kind of executor.

    Attributes:
        options: The options of its own.
        open: Makes the executor.
        threads: CPU threads of a job where the file names none, given the slots [count].
    """

    options: type[ExecutorOptions]
    open: Callable[[Circumstances, Any], Executor]
    threads: Callable[[int], int]
