"""One job that was or will be sent to Slurm, and what is known of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bayeslaw.executors.job_folder import RESULT_FILE, count_starts
from bayeslaw.executors.protocol import JobPhase
from bayeslaw.executors.slurm.client import SlurmJob
from bayeslaw.executors.slurm.ending import ending_reason, may_go_on, never_started_reason
from bayeslaw.executors.slurm.ticket import Ticket
from bayeslaw.runs import Job

# Of a job that ended well the result must be there, but a shared file system may show it late.
_RESULT_LATENESS_SECONDS = 30.0


@dataclass(slots=True)
class SentJob:
    """Track a job: what Slurm says of it and what lies in its folder.

    Attributes:
        job: What is asked for.
        folder: Where.
        max_attempts: Start after which it may not be started again [count].
        ticket: Of its last sending; None when it is to be sent.
        phase: As far as noticed.
        waits_for: Why it is queued.
        reason: Why it gave no result, once it is over.
        seconds: How long its last start took [s].
        last: What Slurm said last.
        is_left_over: Whether somebody before us sent it, so that its end is not what we wait for.
        is_cancelled: Whether we ended it.
        ended_well_at: When Slurm called it completed without a result in sight [s]; 0 when not.
    """

    job: Job
    folder: Path
    max_attempts: int
    ticket: Ticket | None = None
    phase: JobPhase = "queued"
    waits_for: str = ""
    reason: str = ""
    seconds: float = 0.0
    last: SlurmJob | None = None
    is_left_over: bool = False
    is_cancelled: bool = False
    ended_well_at: float = 0.0

    @classmethod
    def take_up(cls, job: Job, folder: Path, max_requeues: int) -> SentJob:
        """Begin with what an earlier process left in the folder."""
        ticket = Ticket.read(folder)
        max_attempts = count_starts(folder) + 1 + max_requeues
        entry = cls(job, folder, max_attempts, ticket, is_left_over=ticket is not None)
        entry.look_for_result()
        return entry

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be expected of it any more."""
        return self.phase in ("ended", "lost")

    @property
    def has_result(self) -> bool:
        """Whether its result.json is there."""
        return (self.folder / RESULT_FILE).exists()

    def look_for_result(self) -> None:
        """Notice a result, which Slurm need not be asked for."""
        if not self.is_over and self.has_result:
            self.phase = "ended"

    def hear(self, found: SlurmJob) -> None:
        """Learn what Slurm says."""
        assert self.ticket is not None
        self.last = found
        self.seconds = found.seconds or self.seconds
        self.look_for_result()
        if self.is_over:
            return
        if not self.ticket.job_id:
            self.ticket.note(found.slurm_id.partition("_")[0])
        if found.is_over:
            self._end(found.state, found.reason, found.node)
        elif found.is_waiting:
            self.phase, self.waits_for = "queued", found.reason
        else:
            self.phase, self.waits_for = "running", ""
            # What still ends because somebody cancelled it is not what we wait for.
            self.is_left_over = self.ticket.is_requeue_forbidden

    def hear_nothing(self, past_state: str) -> None:
        """Learn that Slurm knows it no longer, or never did.

        Args:
            past_state: What the accounting says; empty when it says nothing.
        """
        assert self.ticket is not None
        self.look_for_result()
        if self.is_over:
            return
        node, exit_code = self.last.node if self.last else "", self.ticket.exit_code
        if not self.is_cancelled and self.ticket.revoke():
            self._send_again()
        elif past_state or exit_code is not None or self.is_left_over or self.is_cancelled:
            self._end(past_state, "forgotten by squeue", node)
        else:
            self.phase = "lost"
            self.reason = "Slurm knows it no longer, and it left neither result nor exit code"

    def refuse(self, reason: str) -> None:
        """Learn that sbatch would not have it just now."""
        assert self.ticket is not None
        self.ticket.revoke()
        self._send_again()
        self.waits_for = reason

    def _end(self, state: str, detail: str, node: str) -> None:
        assert self.ticket is not None
        exit_code = self.ticket.exit_code
        self.ticket.close()
        if self.is_cancelled:
            self._conclude("cancelled")
        elif self.is_left_over:
            self._send_again()
        elif self.ticket.revoke():
            if may_go_on(state, None):
                self._send_again()
            else:
                self._conclude(never_started_reason(str(self.folder), state, detail, node))
        elif may_go_on(state, exit_code):
            if (n_starts := count_starts(self.folder)) < self.max_attempts:
                self._send_again()
            else:
                self._conclude(
                    f"it was started {n_starts} times and may not be once more; the last time, "
                    f"{ending_reason(state, detail, node, exit_code)}"
                )
        elif state == "COMPLETED" and not self._is_result_overdue():
            pass
        else:
            self._conclude(ending_reason(state, detail, node, exit_code))

    def _is_result_overdue(self) -> bool:
        self.ended_well_at = self.ended_well_at or time.monotonic()
        return time.monotonic() - self.ended_well_at > _RESULT_LATENESS_SECONDS

    def _send_again(self) -> None:
        self.phase, self.ticket, self.waits_for = "queued", None, ""
        self.is_left_over, self.ended_well_at = False, 0.0

    def _conclude(self, reason: str) -> None:
        self.phase, self.reason = "ended", reason
