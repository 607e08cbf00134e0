"""A suite's folder made ready: its text, and every job written down before the first starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bayeslaw.errors import InvalidInputError, StateError
from bayeslaw.lab.attention import attention_backend
from bayeslaw.lab.corpus import Corpus, build_corpus
from bayeslaw.lab.machine import as_dtype, check_device
from bayeslaw.lab.train.plan import Plan
from bayeslaw.runs import Job
from bayeslaw.study.suite.collect import JOBS_FOLDER, job_folder
from bayeslaw.study.suite.config import SuiteConfig
from bayeslaw.study.suite.jobs import CORPUS_FOLDER

JOB_FILE = "job.json"
ORDER_FILE = "order.txt"
SLICE_FILE = "run-slice.sh"

# What a machine with torch and numpy alone needs; a job that is told to stop saves itself and is
# taken up by the next slice.
_SLICE = """#!/usr/bin/env bash
# Train what is missing, in the suite's order, for so many seconds: bash run-slice.sh [SECONDS]
# bayeslaw's src folder must be on PYTHONPATH, or bayeslaw installed.
cd "$(dirname "$0")" || exit 1
end=$((SECONDS + ${1:-450}))
while read -r job; do
  [ -e "jobs/$job/result.json" ] && continue
  left=$((end - SECONDS))
  [ "$left" -gt 0 ] || break
  (cd "jobs/$job" && exec timeout -s TERM -k 30 "$left" "${PYTHON:-python3}" -m bayeslaw.lab job.json)
done < order.txt
echo "$(ls jobs/*/result.json 2>/dev/null | wc -l) of $(wc -l < order.txt) trunks ended"
"""


def prepare_folder(config: SuiteConfig, folder: Path, jobs: Sequence[Job]) -> None:
    """Bring text and jobs into a suite's folder, or check that those there are the same.

    Raises:
        InvalidInputError: A job cannot be trained as it is, or the text is none.
        StateError: The folder holds jobs of another suite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_jobs(folder, jobs)
    if not config.train.command:
        for job in jobs:
            Plan.of(job)
    corpus = _bring_corpus(config, folder / CORPUS_FOLDER)
    for job in jobs:
        if job.architecture.vocab_size < corpus.vocab_size:
            raise InvalidInputError(
                f"the corpus has {corpus.vocab_size} kinds of tokens, the suite's networks a "
                f"vocab_size of {job.architecture.vocab_size}; set space.axes.vocab_size"
            )
        path = job_folder(folder, job.run_id) / JOB_FILE
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            job.write(partial)
            partial.replace(path)
    (folder / ORDER_FILE).write_text("".join(f"{job.run_id}\n" for job in jobs))
    (folder / SLICE_FILE).write_text(_SLICE)


def check_machine(config: SuiteConfig, jobs: Sequence[Job]) -> None:
    """Refuse to start where every job would fail for want of a device or an attention kernel.

    Raises:
        UnavailableError: Saying what is missing.
    """
    if config.train.command:
        return
    check_device(config.train.device)
    for head_dim in sorted({job.architecture.head_dim for job in jobs}):
        attention_backend(
            config.train.attention, config.train.device, as_dtype(config.train.precision), head_dim
        )


def _check_jobs(folder: Path, jobs: Sequence[Job]) -> None:
    asked = {job.run_id: job for job in jobs}
    for path in sorted((folder / JOBS_FOLDER).glob(f"*/{JOB_FILE}")):
        name = path.parent.name
        if name not in asked:
            raise StateError(
                f"{path.parent} is a job that this suite does not ask for; use another folder"
            )
        present = Job.read(path)
        # The number of threads is the machine's business and no part of what is asked for.
        wanted = replace(asked[name], threads=present.threads)
        if present != wanted:
            before, now = asdict(present), asdict(wanted)
            differ = sorted(key for key in now if now[key] != before[key])
            raise StateError(
                f"{path} asks for something else than this suite ({', '.join(differ)} differ): "
                f"the suite's file or its recipe has changed; use another folder"
            )


def _bring_corpus(config: SuiteConfig, folder: Path) -> Corpus:
    """Build the suite's text, or copy a corpus that is built already."""
    train = config.train
    if (Path(train.corpus) / "manifest.json").is_file():
        theirs = Corpus.open(train.corpus).manifest.fingerprint
        if not folder.exists():
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(train.corpus, partial)
            partial.rename(folder)
        ours = Corpus.open(folder)
        if ours.manifest.fingerprint != theirs:
            raise StateError(
                f"{folder} holds another corpus ({ours.manifest.fingerprint}) than "
                f"{train.corpus} ({theirs}); use another folder"
            )
        return ours
    build_corpus(train.corpus, folder, train.corpus_bytes)
    return Corpus.open(folder)
