"""Jobs given to Slurm: as one array, each with its ticket."""

from __future__ import annotations

from collections.abc import Sequence

from bayeslaw.errors import UnavailableError
from bayeslaw.executors.job_folder import thread_environment, write_job
from bayeslaw.executors.slurm.client import SlurmClient
from bayeslaw.executors.slurm.script import batch_script
from bayeslaw.executors.slurm.sent_job import SentJob
from bayeslaw.executors.slurm.ticket import Ticket, new_batch

# Clusters allow arrays of a thousand jobs by default.
MAX_ARRAY = 500
SILENT = "the Slurm controller does not answer"


class Sender:
    """Send jobs to Slurm.

    Args:
        client: Of Slurm.
        command: What to run in each job's folder.
        threads: CPU threads of a job [count].
        flags: What sbatch is told of every job.
        setup: Lines of shell before the command.
    """

    def __init__(
        self,
        client: SlurmClient,
        command: Sequence[str],
        threads: int,
        flags: Sequence[str],
        setup: Sequence[str],
    ) -> None:
        self._client = client
        self._command = tuple(command)
        self._environment = thread_environment(threads)
        self._flags = tuple(flags)
        self._setup = tuple(setup)

    def send(self, entries: Sequence[SentJob], *, may_be_refused: bool) -> bool:
        """Send jobs as one array; return whether Slurm took them.

        Without an answer they may be there all the same: then they keep their tickets, by which
        Slurm can be asked.

        Raises:
            UnavailableError: Slurm refused them, and that may not be.
        """
        batch = new_batch()
        for task, entry in enumerate(entries):
            write_job(entry.job, entry.folder)
            entry.ticket = Ticket.issue(entry.folder, batch, task)
            entry.waits_for = "sbatch"
        script = batch_script(
            batch,
            [(entry.folder, entry.max_attempts) for entry in entries],
            self._command,
            environment=self._environment,
            setup=self._setup,
        )
        flags = [
            f"--array=0-{len(entries) - 1}",
            f"--job-name=bayeslaw-{batch}",
            "--output=/dev/null",
            "--chdir=/",
            *self._flags,
        ]
        try:
            job_id = self._client.submit(script, flags)
        except UnavailableError as error:
            for entry in entries:
                entry.refuse(str(error))
            if not may_be_refused:
                raise
            return False
        for entry in entries:
            assert entry.ticket is not None
            if job_id is not None:
                entry.ticket.note(job_id)
            else:
                entry.waits_for = SILENT
        return job_id is not None
