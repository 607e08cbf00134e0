"""``bayeslaw init``: begin a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json


def init(
    study: Annotated[str, typer.Argument(help="A YAML file, or the name of one that ships: demo.")],
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Begin a study in a folder: check its file, count its space, make its database."""
    from bayeslaw.shipped import shipped_file
    from bayeslaw.study.config import StudyConfig
    from bayeslaw.study.opening import create_state

    config = StudyConfig.read(shipped_file("search", study))
    counts = {
        "to_train": config.training_space.count().estimate,
        "at_target": config.target_space.count().estimate,
    }
    create_state(folder, config)
    if as_json:
        print_json({"study": config.name, "folder": str(folder), "candidates": counts})
        return
    console().print(
        f"study [bold]{config.name}[/bold] in {folder}: about {counts['to_train']:,.0f} runs to "
        f"choose from, {counts['at_target']:,.0f} architectures at the target"
    )
