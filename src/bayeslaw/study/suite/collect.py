"""What a suite's folder has come to: its table and its manifest, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayeslaw.executors.answers import read_result
from bayeslaw.runs import COLUMNS, Job, JobResult
from bayeslaw.study.suite.rows import rows_of

JOBS_FOLDER = "jobs"
TABLE_FILE = "runs.parquet"
MANIFEST_FILE = "manifest.json"
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Collected:
    """Say which of a suite's trunks have come to an end.

    Attributes:
        results: By trunk, of those that have one.
        rows: Finished points, in the order of the trunks.
        missing: Trunks without a result.
    """

    results: dict[str, JobResult] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, str]:
        """Trunks that failed or diverged, with the reason."""
        return {n: result.reason for n, result in self.results.items() if result.status == "failed"}

    @property
    def n_done(self) -> int:
        """Trunks that finished all their points [count]."""
        return len(self.results) - len(self.failed)


def job_folder(folder: Path, trunk: str) -> Path:
    """Return where a trunk's job lives."""
    return folder / JOBS_FOLDER / trunk


def collect(folder: Path, jobs: Sequence[Job]) -> Collected:
    """Read the results of all jobs that have one; a result that makes no sense is a failed one."""
    collected = Collected()
    for job in jobs:
        path = job_folder(folder, job.run_id) / RESULT_FILE
        if not path.exists():
            collected.missing.append(job.run_id)
            continue
        result = read_result(path, job, 0.0)
        collected.results[job.run_id] = result
        collected.rows.extend(rows_of(job, result))
    return collected


def write_table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write ``runs.parquet``, which `bayeslaw.read_runs` reads; return the columns it lacks.

    A column that some rows lack is left out of all, as a table has a number in every cell.
    """
    frame = pd.DataFrame(list(rows))
    lacking = [name for name in rows[0] if any(row[name] is None for row in rows)]
    frame = frame.drop(columns=lacking)
    for name in frame.columns:
        if name in COLUMNS:
            frame[name] = frame[name].astype(np.int64 if COLUMNS[name].is_count else np.float64)
    partial = folder / f"{TABLE_FILE}.partial"
    frame.to_parquet(partial, index=False)
    partial.replace(folder / TABLE_FILE)
    return lacking


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest.json``."""
    partial = folder / f"{MANIFEST_FILE}.partial"
    partial.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")
    partial.replace(folder / MANIFEST_FILE)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what `write_manifest` wrote; empty where nothing was."""
    path = folder / MANIFEST_FILE
    return json.loads(path.read_text()) if path.exists() else {}


def file_sha256(path: Path) -> str:
    """Return a file's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
