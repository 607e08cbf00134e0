"""``bayeslaw report``: one page that shows it all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json


def report(
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to; report.html in the folder by default.")
    ] = None,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Write a study's report: one HTML file that needs nothing else."""
    from bayeslaw.cli.progress import waiting
    from bayeslaw.study.pages import write_study_report
    from bayeslaw.study.study import Study

    with waiting("writing the report", silent=as_json):
        path = write_study_report(Study(folder), out)
    if as_json:
        print_json({"report": str(path)})
    else:
        console().print(f"wrote {path}")
