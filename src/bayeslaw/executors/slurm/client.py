"""A thin client of Slurm: its own commands, their words, and when there is no answer."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bayeslaw.errors import UnavailableError

_log = logging.getLogger(__name__)

_NEEDED = ("sbatch", "squeue", "scancel", "scontrol")
_FIELDS = "%F|%K|%A|%j|%T|%N|%M|%r"
_WAITING = frozenset(
    {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
)
_LIVE = frozenset(
    {"CONFIGURING", "RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
)  # fmt: skip
# What the commands say when it is not the question that is wrong. Whether a job was sent is
# then unknown.
_SILENCE = re.compile(
    r"unable to contact slurm controller|timed out|connection (refused|reset)|not responding|"
    r"resource temporarily unavailable|temporarily unable to accept|zero bytes|"
    r"communication connection failure|message send failure|message receive failure|"
    r"protocol authentication error|munge|primary controller|transport endpoint|in standby mode",
    re.IGNORECASE,
)
_GONE = "Invalid job id"


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """Hold what squeue says of one job.

    Attributes:
        slurm_id: ``ARRAY_TASK``.
        raw_id: Its number as a job of its own.
        name: The job's.
        state: In Slurm's words.
        node: Where it is or was.
        seconds: How long its present start has run [s].
        reason: Why it waits or ended.
    """

    slurm_id: str
    raw_id: str
    name: str
    state: str
    node: str
    seconds: float
    reason: str

    @property
    def is_waiting(self) -> bool:
        """Whether it has yet to start."""
        return self.state in _WAITING

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.state not in _WAITING | _LIVE


class SlurmClient:
    """Ask Slurm by its commands; a controller that does not answer is survived.

    Raises:
        UnavailableError: Slurm's commands are not on this machine.
    """

    def __init__(self, *, timeout_seconds: float = 15.0) -> None:
        if missing := [name for name in _NEEDED if shutil.which(name) is None]:
            raise UnavailableError(
                f"no {', '.join(missing)} on this machine, so there is no Slurm to give jobs to; "
                f"start this on a login node of the cluster, or use executor 'local'"
            )
        self._timeout_seconds = timeout_seconds
        self._is_silent = False
        # A driver that is a Slurm job itself must not hand its own limits and numbers down.
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SLURM_") or name == "SLURM_CONF"
        }

    def submit(self, script: str, flags: Sequence[str]) -> str | None:
        """Send a job and return its number; None when nobody knows whether it was sent.

        Raises:
            UnavailableError: Slurm refused it.
        """
        answer = self._ask(["sbatch", "--parsable", *flags], script)
        if answer is None:
            return None
        if answer.returncode != 0:
            raise UnavailableError(f"Slurm refused the jobs: {_words(answer)}")
        return answer.stdout.strip().partition(";")[0]

    def jobs(self) -> list[SlurmJob] | None:
        """Return all jobs of this user, those that ended lately too; None without an answer."""
        return self._squeue(f"--user={os.getuid()}")

    def find(self, slurm_id: str) -> SlurmJob | None:
        """Return one job, whoever's it is; None when Slurm knows it no longer.

        Raises:
            UnavailableError: Slurm does not answer.
        """
        found = self._squeue(f"--jobs={slurm_id}")
        if found is None:
            raise UnavailableError("the Slurm controller does not answer")
        return next((job for job in found if job.slurm_id == slurm_id), None)

    def past_state(self, slurm_id: str, raw_id: str = "") -> str:
        """Return how a job ended that squeue has forgotten, by the accounting; empty if unknown.

        Args:
            slurm_id: ``ARRAY_TASK``, by which the accounting's database knows it.
            raw_id: By which the file of completed jobs knows it, where there is no database.
        """
        if shutil.which("sacct") is None:
            return ""
        ways = [("--allocations", f"--jobs={slurm_id}")]
        ways += [("--completion", f"--jobs={raw_id}")] if raw_id else []
        for how in ways:
            answer = self._ask(["sacct", "--noheader", "--parsable2", "--format=State", *how])
            if answer is not None and answer.returncode == 0 and answer.stdout.strip():
                return answer.stdout.split("\n")[-2].split()[0]
        return ""

    def cancel(self, slurm_ids: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        """End jobs by number or by name; those that are gone already are fine."""
        if ids := list(slurm_ids):
            self._ask(["scancel", "--quiet", *ids])
        for name in names:
            self._ask(["scancel", "--quiet", f"--name={name}", f"--user={os.getuid()}"])

    def _squeue(self, whose: str) -> list[SlurmJob] | None:
        command = ["squeue", "--noheader", "--array", "--states=all", f"--format={_FIELDS}", whose]
        answer = self._ask(command)
        if answer is None:
            return None
        if answer.returncode != 0:
            if _GONE in answer.stderr:
                return []
            raise UnavailableError(f"squeue failed: {_words(answer)}")
        return [_job(line) for line in answer.stdout.splitlines() if line.count("|") >= 7]

    def _ask(
        self, command: Sequence[str], script: str | None = None
    ) -> subprocess.CompletedProcess[str] | None:
        """Run a command and return what came; None when the controller did not answer."""
        try:
            answer = subprocess.run(
                command,
                input=script,
                stdin=subprocess.DEVNULL if script is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment,
                timeout=self._timeout_seconds,
                check=False,
                start_new_session=True,  # Ctrl-C is for us: a sending shall not be cut in two
            )
        except subprocess.TimeoutExpired:
            self._note_silence(f"{command[0]} took over {self._timeout_seconds:g} s")
            return None
        if answer.returncode != 0 and _SILENCE.search(answer.stderr):
            self._note_silence(_words(answer))
            return None
        if self._is_silent:
            _log.warning("the Slurm controller answers again")
            self._is_silent = False
        return answer

    def _note_silence(self, words: str) -> None:
        if not self._is_silent:
            _log.warning("the Slurm controller does not answer, trying on: %s", words)
        self._is_silent = True


def _job(line: str) -> SlurmJob:
    array, task, raw, name, state, node, elapsed, reason = line.split("|", 7)
    return SlurmJob(f"{array}_{task}", raw, name, state, node, _seconds(elapsed), reason)


def _seconds(elapsed: str) -> float:
    """Return Slurm's ``D-HH:MM:SS`` in seconds.

    >>> _seconds("1-02:00:05")
    93605.0
    """
    days, _, rest = elapsed.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (days and not days.isdigit()):
        return 0.0  # INVALID, of a clock that was set
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return float(int(days or 0) * 86400 + total)


def _words(answer: subprocess.CompletedProcess[str]) -> str:
    """Return what a command complained of, in one line."""
    return "; ".join(line.strip() for line in answer.stderr.splitlines() if line.strip())
