"""``python -m bayeslaw.lab job.json`` writes ``result.json`` next to it.

Exit code 0 when a result was written, done or failed; 2 for a job that cannot be read; 85, and no
result, when training was told to stop by SIGTERM, SIGUSR1 or SIGUSR2: its state is saved, started
again it goes on. Under ``torchrun`` the state is saved too, but torchrun itself then exits with 1.
Each evaluation prints one JSON line: ``{"run_id", "step", "n_steps", "tokens", "loss_nats"}``.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bayeslaw.errors import BayeslawError, InvalidInputError
from bayeslaw.lab.run_job import run_job
from bayeslaw.lab.train import interrupt
from bayeslaw.lab.train.checkpoint import remove_checkpoints
from bayeslaw.lab.train.world import rank_and_size
from bayeslaw.runs import ATTEMPT_VARIABLE, REQUEUE_EXIT_CODE, Job

RESULT = "result.json"
ATTEMPTS = "attempts.txt"


def main(arguments: list[str]) -> int:
    """Run the job in the file named by the only argument; return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m bayeslaw.lab job.json", file=sys.stderr)
        return InvalidInputError.exit_code
    path = Path(arguments[0])
    try:
        job = _read(path)
        is_first = rank_and_size()[0] == 0  # torchrun starts several of us
    except BayeslawError as error:
        print(f"error: {path}: {error}", file=sys.stderr)
        return InvalidInputError.exit_code
    folder = path.parent
    attempt = _count_attempt(folder) if is_first else 0
    # Timing has no state to save: it may as well die at once.
    signals = interrupt.heeded() if job.kind == "train" else nullcontext()
    try:
        with signals:
            result = run_job(job, folder, _print_line)
    except interrupt.Interrupted:
        name = interrupt.received()
        print(f"stopped by {name}, state saved; start the job again to go on", file=sys.stderr)
        return REQUEUE_EXIT_CODE
    if is_first:
        result = replace(result, record={**result.record, "attempts": attempt})
        result.write(folder / RESULT)
        # Only now: killed between the last step and the result, a run goes on from its checkpoint.
        # One that an error broke off is left what it had, to go on from once that is mended.
        if "error" not in result.record:
            remove_checkpoints(folder)
            (folder / ATTEMPTS).unlink(missing_ok=True)
    return 0


def _read(path: Path) -> Job:
    try:
        return Job.read(path)
    except (TypeError, KeyError, AttributeError) as error:  # a field is missing or oddly typed
        raise InvalidInputError(f"not a job: {type(error).__name__}: {error}") from error


def _count_attempt(folder: Path) -> int:
    """Return which start of the job this is, 1 for the first; a killed one counts."""
    if given := os.environ.get(ATTEMPT_VARIABLE):
        return int(given)
    with (folder / ATTEMPTS).open("a+", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC).isoformat()} process {os.getpid()}\n")
        file.seek(0)
        return len(file.readlines())


def _print_line(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
