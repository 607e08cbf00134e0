"""What a job's folder tells: progress, a result, or why there is none."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, NoReturn

from bayeslaw.errors import InvalidInputError
from bayeslaw.executors.job_folder import RESULT_FILE
from bayeslaw.runs import Job, JobResult

_TAIL_BYTES = 65536
_TAIL_LINES = 15


def read_progress(stdout: Path) -> dict[str, Any]:
    """Return the last line of stdout that is a JSON object; empty when there is none."""
    for line in reversed(_tail(stdout)):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                continue  # a line still being written, or no progress at all
    return {}


def read_result(path: Path, job: Job, seconds: float) -> JobResult:
    """Return what the lab wrote; an answer that makes no sense is a failed job, with the reason."""
    try:
        json.loads(path.read_text(), parse_constant=_refuse)
        result = JobResult.read(path)
    except (InvalidInputError, ValueError, TypeError, KeyError) as error:
        return failed(job, f"its {path.name} makes no sense: {error}", seconds)
    if (result.run_id, result.kind) != (job.run_id, job.kind):
        answered = f"{result.kind} job {result.run_id!r}"
        return failed(job, f"its {path.name} answers {answered}, not this {job.kind} job", seconds)
    if not isinstance(result.record, dict):
        reason = f"its {path.name} makes no sense: record must be an object, got {result.record!r}"
        return failed(job, reason, seconds)
    return result


def failed(job: Job, reason: str, seconds: float, *, stderr: Path | None = None) -> JobResult:
    """Return a failed result; the end of stderr joins the reason."""
    if stderr is not None and (lines := _tail(stderr)[-_TAIL_LINES:]):
        reason = f"{reason}; stderr ends with:\n" + "\n".join(lines)
    return JobResult(job.run_id, job.kind, "failed", reason=reason, seconds=seconds)


def exit_reason(code: int) -> str:
    """Say how a lab ended that wrote no result; a negative code is the signal that ended it."""
    if code >= 0:
        return f"the lab exited with code {code} and wrote no {RESULT_FILE}"
    name = signal.Signals(-code).name
    hint = "; often the system had no memory left" if name == "SIGKILL" else ""
    return f"the lab was ended by {name}{hint} and wrote no {RESULT_FILE}"


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON; a diverged run is failed, with its reason")
