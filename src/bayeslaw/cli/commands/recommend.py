"""``bayeslaw recommend``: which architecture for the target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder, Method
from bayeslaw.cli.output import print_json


def recommend(
    method: Method = "nuts",
    show: Annotated[int, typer.Option("--show", help="Candidates of the front to list.")] = 8,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Recommend an architecture for the study's target, with intervals and probabilities."""
    from bayeslaw.cli.progress import waiting
    from bayeslaw.cli.recommendation import show_recommendation
    from bayeslaw.study.study import Study

    study = Study(folder)
    with waiting(f"fitting ({method}) and deciding", silent=as_json):
        content = study.recommend(study.beliefs(study.fit(method), n_members=1000)).to_dict()
    if as_json:
        print_json(content)
    else:
        show_recommendation(content, show)
