"""A job's process: started so that it outlives us, found again, and told from another's."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bayeslaw.errors import UnavailableError
from bayeslaw.executors.job_folder import STARTS_FILE, STDERR_FILE, STDOUT_FILE
from bayeslaw.runs import ATTEMPT_VARIABLE

PID_FILE = "process.pid"

# What the launcher exits with when another process of this job was first.
TAKEN = 75

_PROC = Path("/proc")

# The process notes its own number and start time before it becomes the job, so there is no
# moment at which a job runs unnoted, even if we are killed in the middle. `ln` fails where the
# file exists: of two that start at once, one wins. Without /proc, `ps` knows the start time.
_LAUNCHER = f"""
if [ -r /proc/$$/stat ]; then
  IFS= read -r stat < /proc/$$/stat; set -f; fields=${{stat##*) }}
  started=$(set -- $fields; shift 19; echo $1)
else
  started=$(LC_ALL=C ps -o lstart= -p $$ | tr -s ' ')
fi
echo "$$ $started" > {PID_FILE}.$$
ln {PID_FILE}.$$ {PID_FILE} 2>/dev/null; won=$?
rm -f {PID_FILE}.$$
[ $won -eq 0 ] || exit {TAKEN}
echo "$$ $started" >> {STARTS_FILE}
{ATTEMPT_VARIABLE}=$(($(wc -l < {STARTS_FILE})))
export {ATTEMPT_VARIABLE}
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Identify a process for good: numbers are given again, start times are not.

    Attributes:
        pid: Its number, and that of its group.
        started: When it started, in the system's own words.
    """

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process runs (a zombie does not)."""
        return start_time(self.pid) == self.started


def launch(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a command in a folder, in its own process group, its output appended to files there.

    Raises:
        UnavailableError: The system has no process groups, or cannot start one more.
    """
    if os.name != "posix":
        raise UnavailableError(
            f"jobs run in process groups of POSIX; this system is {os.name!r}, use WSL"
        )
    with (folder / STDOUT_FILE).open("ab") as stdout, (folder / STDERR_FILE).open("ab") as stderr:
        try:
            return subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCHER, "sh", *command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"cannot start a job in {folder}: {error}") from error


def read_mark(folder: Path) -> ProcessMark | None:
    """Return the process that the folder's job was last given to, or None."""
    try:
        pid, _, started = (folder / PID_FILE).read_text().strip().partition(" ")
    except FileNotFoundError:
        return None
    return ProcessMark(int(pid), " ".join(started.split())) if pid.isdigit() else None


def forget_dead_mark(folder: Path) -> None:
    """Remove the mark of a process that is gone, so that the job can be started again.

    Only a mark that was read and found dead may go. Where there was none, one may appear at
    any moment, from a process that a killed driver had started: removing that doubles the job.
    """
    mark = read_mark(folder)
    if mark is not None and not mark.is_alive:
        (folder / PID_FILE).unlink()


def start_time(pid: int) -> str | None:
    """Return when a process started, in the system's own words; None when it does not run."""
    if (_PROC / "self/stat").exists():
        try:
            stat = (_PROC / f"{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in brackets, may hold anything; fields count from the last bracket.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else " ".join(started.split())


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to what is left of a process group; nothing left is fine."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
