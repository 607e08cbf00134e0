"""A suite trained: what is missing, in its order, until all is done or the time is up."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bayeslaw.executors import Executor, JobHandle
from bayeslaw.lab.code_version import code_version
from bayeslaw.lab.corpus import Corpus
from bayeslaw.lab.machine import versions
from bayeslaw.runs import Job, Run
from bayeslaw.study.driving import Notify, sole_driver
from bayeslaw.study.suite.collect import (
    TABLE_FILE,
    Collected,
    collect,
    file_sha256,
    job_folder,
    read_manifest,
    write_manifest,
    write_table,
)
from bayeslaw.study.suite.config import SuiteConfig
from bayeslaw.study.suite.jobs import CORPUS_FOLDER, plan_suite
from bayeslaw.study.suite.prepare import check_machine, prepare_folder

_POLL_SECONDS = 0.2
# A network of a few megabytes is saved in a second or two; a busy disk may take longer.
_GRACE_SECONDS = 30.0
_MAX_LOST = 3


@dataclass(frozen=True)
class _Working:
    """A job under way, as the executor knows it."""

    job: Job
    handle: JobHandle
    n_lost: int = 0


class Suite:
    """Train one suite in its folder.

    All state is in the folder: ``corpus/``, a folder a trunk under ``jobs/``, and what came of
    them, ``runs.parquet`` and ``manifest.json``. A process that is killed loses nothing.

    Args:
        file: The suite's YAML file.
        folder: Its own; made when it is not there.
        notify: Hears of progress: ``(kind, details)``, kinds are ``step``, ``progress``,
            ``ended`` and ``overall``.
    """

    def __init__(self, file: Path, folder: Path, *, notify: Notify | None = None) -> None:
        self.config = SuiteConfig.read(file)
        self.folder = folder
        self._text = file.read_text()
        self.notify: Notify = notify or (lambda kind, details: None)
        self.plan = plan_suite(self.config)
        self.jobs = self.plan.jobs
        self._began = time.monotonic()
        self._manifest: dict[str, Any] = {}
        self._crashed: dict[str, str] = {}

    def train(self, *, minutes: float | None = None) -> dict[str, Any]:
        """Train what is missing, and return the manifest.

        Args:
            minutes: When to stop, counted from the suite's making; jobs under way are told to
                save and are taken up next time [min]. None trains to the end.

        Raises:
            StateError: Another process is training this suite, or the folder is another's.
            UnavailableError: Jobs cannot run on this machine.
        """
        deadline = None if minutes is None else self._began + 60 * minutes
        check_machine(self.config, self.jobs)
        self.folder.mkdir(parents=True, exist_ok=True)
        with sole_driver(self.folder):
            self._prepare()
            collected = self._write()
            try:
                if collected.missing:
                    with self._executor() as executor:
                        self._train_missing(executor, collected, deadline)
            finally:
                # Also when we are ended by a signal: what has finished is in the table.
                self._write()
        return self._manifest

    def export(self) -> dict[str, Any]:
        """Write text and jobs for another machine, and collect the results that are there.

        Returns:
            The manifest.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with sole_driver(self.folder):
            self._prepare()
            self._write()
        return self._manifest

    def _prepare(self) -> None:
        self.notify("step", {"text": f"reading text from {self.config.train.corpus}"})
        prepare_folder(self.config, self.folder, self.jobs)
        self._manifest = self._head()

    def _executor(self) -> Executor:
        train = self.config.train
        return self.config.executor.open(
            command=train.command, device=train.device, grace_seconds=_GRACE_SECONDS
        )

    def _train_missing(
        self, executor: Executor, collected: Collected, deadline: float | None
    ) -> None:
        missing = set(collected.missing)
        queue = [job for job in self.jobs if job.run_id in missing]
        done = len(self.jobs) - len(queue)
        self.notify("step", {"text": f"training {len(queue)} of {len(self.jobs)} trunks"})
        active: dict[str, _Working] = {}
        while queue or active:
            while queue and len(active) < executor.slots:
                job = queue.pop(0)
                active[job.run_id] = _Working(job, self._submit(executor, job))
            if deadline is not None and time.monotonic() > deadline:
                self.notify("step", {"text": f"time is up: {len(active)} trunks save themselves"})
                return  # leaving the executor's block ends them politely
            time.sleep(max(_POLL_SECONDS, executor.poll_seconds))
            fractions: dict[str, float] = {}
            for name, working in list(active.items()):
                state = executor.poll(working.handle)
                progress = state.progress
                self.notify("progress", {"run_id": name, **progress})
                fractions[name] = progress.get("step", 0) / progress.get("n_steps", 1)
                if state.phase == "lost" and working.n_lost < _MAX_LOST:
                    # Taken over from an earlier process and gone without a result: it resumes.
                    self._submit(executor, working.job)
                    active[name] = replace(working, n_lost=working.n_lost + 1)
                elif state.is_over:
                    del active[name], fractions[name]
                    done += 1
                    self._end(executor, working)
            left = self._seconds_left([job.run_id for job in queue], fractions)
            self.notify("overall", {"done": done, "of": len(self.jobs), "seconds_left": left})

    def _submit(self, executor: Executor, job: Job) -> JobHandle:
        return executor.submit(job, job_folder(self.folder, job.run_id))

    def _end(self, executor: Executor, working: _Working) -> None:
        job = working.job
        result = executor.collect(working.handle)
        if not (working.handle.folder / "result.json").exists():
            self._crashed[job.run_id] = result.reason
        run = Run(job.run_id, n_tokens=job.n_tokens or 0, architecture=job.architecture)
        self.notify("ended", {"run": run.conclude(result)})
        self._write()

    # --- what is left -------------------------------------------------------------------------

    def _seconds_left(self, queued: Sequence[str], active: Mapping[str, float]) -> float | None:
        """Return the wall time to the end [s]; None where the file has no speeds."""
        if self.plan.seconds is None:
            return None
        work = sum(self.plan.seconds[name] for name in queued)
        work += sum(self.plan.seconds[name] * (1 - share) for name, share in active.items())
        return work * self._pace / self.config.executor.slots

    @property
    def _pace(self) -> float:
        """How many times slower than predicted this machine has been."""
        spent = self._manifest.get("seconds_by_trunk", {})
        if self.plan.seconds is None or not spent:
            return 1.0
        return sum(spent.values()) / sum(self.plan.seconds[name] for name in spent)

    # --- what is written ----------------------------------------------------------------------

    def _head(self) -> dict[str, Any]:
        """Return the manifest's lasting part: what this suite is, and its earlier slices."""
        before = read_manifest(self.folder)
        corpus = Corpus.open(self.folder / CORPUS_FOLDER).manifest
        corpus_file = self.folder / CORPUS_FOLDER / "manifest.json"
        return {
            "suite": self.config.name,
            "file": self._text,
            "file_sha256": hashlib.sha256(self._text.encode()).hexdigest(),
            "command": shlex.join(["bayeslaw", *sys.argv[1:]]),
            "code": code_version(),
            "machine": versions(),
            "corpus": {
                "fingerprint": corpus.fingerprint,
                **json.loads(corpus_file.read_text()),
            },
            "slices": [
                *before.get("slices", []),
                {"began": datetime.now(UTC).isoformat(timespec="seconds"), "wall_seconds": 0.0},
            ],
        }

    def _write(self) -> Collected:
        """Write table and manifest as things stand."""
        collected = collect(self.folder, self.jobs)
        lacking = write_table(self.folder, collected.rows) if collected.rows else []
        slices = self._manifest["slices"]
        slices[-1]["wall_seconds"] = round(time.monotonic() - self._began, 1)
        results = collected.results
        core_seconds = sum(
            results[job.run_id].seconds * job.threads for job in self.jobs if job.run_id in results
        )
        predicted = self.plan.core_seconds
        self._manifest |= {
            "n_trunks": len(self.jobs),
            "n_done": collected.n_done,
            "n_failed": len(collected.failed),
            "n_missing": len(collected.missing),
            "n_points": len(collected.rows),
            "failed": collected.failed,
            "missing": {
                name: self._crashed.get(name, "not trained to its end yet")
                for name in collected.missing
            },
            "columns_left_out": lacking,
            "table_sha256": file_sha256(self.folder / TABLE_FILE) if collected.rows else None,
            "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            "wall_seconds": round(sum(each["wall_seconds"] for each in slices), 1),
            "core_hours": round(core_seconds / 3600, 4),
            "predicted_core_hours": predicted and round(predicted / 3600, 4),
            "seconds_by_trunk": {name: round(r.seconds, 1) for name, r in results.items()},
        }
        write_manifest(self.folder, self._manifest)
        return collected
