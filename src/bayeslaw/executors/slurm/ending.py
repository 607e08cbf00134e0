"""Why a job ended without a result, in words, and whether it may be started again."""

from __future__ import annotations

import signal

from bayeslaw.executors.answers import exit_reason
from bayeslaw.executors.slurm.script import NO_FOLDER
from bayeslaw.runs import REQUEUE_EXIT_CODE

# Not the job's fault: it goes on somewhere else.
_BLAMELESS = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"})


def may_go_on(state: str, exit_code: int | None) -> bool:
    """Return whether a job that ended may be sent again, subject to how often it was.

    Args:
        state: In Slurm's words; empty when Slurm has forgotten it.
        exit_code: Of the lab; None when it was killed together with all that watched it.
    """
    if state == "CANCELLED":
        return False  # by somebody who meant it
    return state in _BLAMELESS or exit_code == REQUEUE_EXIT_CODE


def ending_reason(state: str, detail: str, node: str, exit_code: int | None) -> str:
    """Say why a job ended without a result, and what to do about it.

    Args:
        state: In Slurm's words; empty when Slurm has forgotten it.
        detail: Slurm's reason.
        node: Where it ran.
        exit_code: Of the lab; None when it was killed together with all that watched it.

    >>> ending_reason("OUT_OF_MEMORY", "OutOfMemory", "n3", None)
    'Slurm ended it on n3: it used more memory than it was given; raise executor option memory'
    """
    where = f" on {node}" if node else ""
    if state == "CANCELLED":
        return f"it was cancelled at Slurm{where}, and not by its study"
    if state in ("TIMEOUT", "DEADLINE"):
        return (
            f"Slurm ended it{where} at its time limit, and it had not saved itself in time; raise "
            f"executor options time or signal_seconds"
        )
    if state == "OUT_OF_MEMORY":
        return (
            f"Slurm ended it{where}: it used more memory than it was given; raise executor option "
            f"memory"
        )
    if exit_code is not None:
        # A shell says 128 + n of a program that signal n ended.
        is_signal = exit_code - 128 in signal.valid_signals()
        return exit_reason(128 - exit_code if is_signal else exit_code)
    return f"Slurm calls it {state}{where} ({detail}), and the lab left no exit code"


def never_started_reason(folder: str, state: str, detail: str, node: str) -> str:
    """Say why a job ended before the lab was started.

    Args:
        folder: Of the job.
        state: In Slurm's words.
        detail: Slurm's reason.
        node: Where it was to run.
    """
    if state == "CANCELLED":
        return "it was cancelled at Slurm before it started, and not by its study"
    return (
        f"Slurm calls it {state} ({detail}) on {node or 'no node'} before the lab was started; exit "
        f"code {NO_FOLDER} means that the node does not see {folder}, which must lie on a file "
        f"system that all nodes share"
    )
