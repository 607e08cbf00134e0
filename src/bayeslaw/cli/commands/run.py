"""``bayeslaw run``: the whole loop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json


def run(
    study: Annotated[str, typer.Argument(help="A YAML file, or the name of one that ships: demo.")],
    folder: Folder = Path("study"),
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            help="Where jobs run: local, slurm, ray, or a YAML file with an executor's section, "
            "such as {name: slurm, slots: 12, partition: gpu}; as the study says when left out.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study to its end: time, train, fit, plan, recommend, check. Interrupted, it goes on."""
    from bayeslaw.cli.progress import StudyProgress
    from bayeslaw.cli.recommendation import show_check, show_recommendation
    from bayeslaw.shipped import shipped_file
    from bayeslaw.study.config import ExecutorSection, StudyConfig
    from bayeslaw.study.loop import run_study
    from bayeslaw.study.study import Study

    config = StudyConfig.read(shipped_file("search", study))
    chosen = config.executor  # named as in the file, it keeps the file's options
    if executor is not None and executor != chosen.name:
        chosen = ExecutorSection.read(executor)
    with StudyProgress(silent=as_json) as progress:
        opened = Study.create(folder, config, notify=progress, executor=chosen)
        summary = run_study(opened)
    if as_json:
        print_json(summary)
        return
    show_recommendation(opened.state.document("recommendation").payload, 6)
    show_check(summary)
    console().print(f"[bold]{folder}/report.html[/bold] shows it, {folder}/summary.json holds it")
