"""``bayeslaw remote create``: make a study of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json


def create(
    study_yaml: Annotated[Path, typer.Argument(help="A study's YAML file.", show_default=False)],
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a study; making it again of the same file changes nothing."""
    from bayeslaw.study.config import read_yaml

    config = read_yaml(study_yaml)
    with open_client(url, token_file, home) as client:
        made = client.create_study(config).get()
    if as_json:
        print_json(made.model_dump())
    else:
        console().print(f"study {made.study_id} is {made.state}", highlight=False)
