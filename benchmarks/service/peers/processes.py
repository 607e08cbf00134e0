"""What a contestant's processes have used, as Linux counts it; and a server as our child."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bayeslaw.errors import UnavailableError

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return processor time of processes and of their children that have ended [s]."""
    total = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / _TICKS
    return total


def peak_memory_mb(pids: Sequence[int]) -> float:
    """Return the sum of what processes had resident at most [MB]."""
    total = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024 / 1e6
    return total


def family(pid: int) -> tuple[int, ...]:
    """Return a process and all its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return tuple(found)


@contextmanager
def server(command: Sequence[str], folder: Path) -> Iterator[tuple[str, int]]:
    """Start a server that prints ``ready ENDPOINT``; give its endpoint and number; end it.

    Its other output goes to ``server.log`` in the folder.

    Raises:
        UnavailableError: It ended before it was ready.
    """
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        while not (line := process.stdout.readline()).startswith("ready "):
            if not line:
                said = (folder / "server.log").read_text()[-1000:]
                raise UnavailableError(f"{command[-1]} did not start: {said}")
        yield line.split()[1], process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
