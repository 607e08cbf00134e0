"""``python -m bayeslaw.lab job.json`` writes ``result.json`` next to it.

Exit code 0 when a result was written, done or failed; 2 for a job that cannot be read. Each
evaluation prints one JSON line: ``{"run_id", "step", "n_steps", "tokens", "loss_nats"}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bayeslaw.errors import BayeslawError, InvalidInputError
from bayeslaw.lab.run_job import run_job
from bayeslaw.lab.train.checkpoint import CHECKPOINT
from bayeslaw.runs import Job

RESULT = "result.json"


def main(arguments: list[str]) -> int:
    """Run the job in the file named by the only argument; return the exit code."""
    if len(arguments) != 1:
        print("usage: python -m bayeslaw.lab job.json", file=sys.stderr)
        return InvalidInputError.exit_code
    path = Path(arguments[0])
    try:
        job = _read(path)
    except BayeslawError as error:
        print(f"error: {path}: {error}", file=sys.stderr)
        return InvalidInputError.exit_code

    run_job(job, path.parent, _print_line).write(path.parent / RESULT)
    # Only now: killed between the last step and the result, a run goes on from its checkpoint.
    (path.parent / CHECKPOINT).unlink(missing_ok=True)
    return 0


def _read(path: Path) -> Job:
    try:
        return Job.read(path)
    except (TypeError, KeyError, AttributeError) as error:  # a field is missing or oddly typed
        raise InvalidInputError(f"not a job: {type(error).__name__}: {error}") from error


def _print_line(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
