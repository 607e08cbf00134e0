"""``bayeslaw train``: train what is planned."""

from __future__ import annotations

from pathlib import Path

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json
from bayeslaw.errors import LabError


def train(folder: Folder = Path("study"), as_json: AsJson = False) -> None:
    """Train every planned run with the study's lab; start it again to go on after a crash."""
    from bayeslaw.cli.progress import StudyProgress
    from bayeslaw.study.study import Study

    with StudyProgress(silent=as_json) as progress:
        ended = Study(folder, notify=progress).train()
    failed = [run for run in ended if run.status == "failed"]
    if as_json:
        print_json([run.to_dict() for run in ended])
        # The runs say why; an error on top would be a second JSON value.
        raise typer.Exit(LabError.exit_code if failed else 0)
    n_done = sum(run.status == "done" for run in ended)
    console().print(f"{n_done} of {len(ended)} runs done")
    if failed:
        raise LabError("; ".join(f"run {run.run_id}: {run.reason}" for run in failed))
