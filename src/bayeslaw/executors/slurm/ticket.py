"""A ticket: the right to start a job once it was sent to Slurm, kept in the job's folder.

Whoever sends a job cannot know for sure that it was sent: sbatch or its sender may be killed in
the middle. So every sending has a ticket of its own, ``slurm/NAME.open``. A job that starts renames
it to ``used``; whoever gives a sending up renames it to ``revoked``. Renaming succeeds once, so a
sending that was given up never runs, however late it turns up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_NOTES = "slurm"
_SENT = "sent.json"


@dataclass(slots=True)
class Ticket:
    """Name one sending of one job.

    Attributes:
        folder: The job's.
        batch: Of all jobs that are sent together; part of their name at Slurm.
        task: Which of them [count].
        job_id: Of the whole array, once it is known; empty before.
    """

    folder: Path
    batch: str
    task: int
    job_id: str = ""

    @classmethod
    def issue(cls, folder: Path, batch: str, task: int) -> Ticket:
        """Write a ticket; the folder's earlier one is worth nothing from now on."""
        notes = folder / _NOTES
        notes.mkdir(exist_ok=True)
        earlier = cls.read(folder)
        if earlier is not None:
            earlier.close()
        ticket = cls(folder, batch, task)
        # First this, then the note that names it: a noted ticket is open, used or given up.
        ticket._path("open").touch()
        ticket._write()
        return ticket

    @classmethod
    def read(cls, folder: Path) -> Ticket | None:
        """Return the folder's last ticket, or None."""
        try:
            content = json.loads((folder / _NOTES / _SENT).read_text())
        except FileNotFoundError:
            return None
        return cls(folder, content["batch"], content["task"], content["job_id"])

    @property
    def name(self) -> str:
        """What Slurm calls the jobs that were sent together."""
        return f"bayeslaw-{self.batch}"

    @property
    def slurm_id(self) -> str:
        """What Slurm calls this job; empty when not known."""
        return f"{self.job_id}_{self.task}" if self.job_id else ""

    def note(self, job_id: str) -> None:
        """Keep what Slurm calls the array."""
        self.job_id = job_id
        self._write()

    def revoke(self) -> bool:
        """Take it back; return whether the job has not started and now never will."""
        return self._rename("open", "revoked") or self._path("revoked").exists()

    def close(self) -> None:
        """Keep a job that Slurm says is over from ever starting again."""
        self._rename("used", "over")

    def give_up(self) -> bool:
        """Take it back for good; return whether, as far as the folder tells, nothing of it runs."""
        if self.revoke():
            return True
        if self.exit_code is not None:
            self.close()
        return not self._path("used").exists()

    def forbid_requeue(self) -> None:
        """Keep the job from asking to be started again."""
        self._path("cancelled").touch()

    @property
    def is_requeue_forbidden(self) -> bool:
        """Whether somebody cancelled the job."""
        return self._path("cancelled").exists()

    @property
    def exit_code(self) -> int | None:
        """What the lab exited with in its last start; None while it runs, or when it was killed."""
        try:
            text = self._path("exit").read_text().strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None

    def _rename(self, before: str, after: str) -> bool:
        try:
            self._path(before).rename(self._path(after))
        except FileNotFoundError:
            return False
        return True

    def _path(self, state: str) -> Path:
        return self.folder / _NOTES / f"{self.batch}.{state}"

    def _write(self) -> None:
        path = self.folder / _NOTES / _SENT
        partial = path.with_suffix(".partial")
        content = {"batch": self.batch, "task": self.task, "job_id": self.job_id}
        partial.write_text(json.dumps(content) + "\n")
        partial.replace(path)


def new_batch() -> str:
    """Return a name that nobody has had."""
    return uuid4().hex[:12]
