"""``bayeslaw remote validate``: whether a study could be made of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, TokenFile, Url, open_client
from bayeslaw.cli.commands.remote.shapes import shape
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, number, print_json
from bayeslaw.errors import InvalidInputError


def validate(
    study_yaml: Annotated[Path, typer.Argument(help="A study's YAML file.", show_default=False)],
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check a study's file and count its space; nothing is made of it. Exits with 2 if it is none."""
    from bayeslaw.study.config import read_yaml

    config = read_yaml(study_yaml)
    with open_client(url, token_file, home) as client:
        answer = client.validate_space(config)
    if as_json:
        print_json(answer.model_dump())
    if not answer.is_valid:
        if as_json:
            raise typer.Exit(InvalidInputError.exit_code)
        problems = "\n".join(f"  {problem.part}: {problem.detail}" for problem in answer.problems)
        raise InvalidInputError(f"{study_yaml.name} is not a study:\n{problems}")
    if as_json:
        return
    size = answer.n_members
    if size is not None:
        low, high = number(size.low), number(size.high)
        members = low if low == high else f"{low} to {high}"
        console().print(f"a study of {members} architectures, such as", highlight=False)
    for example in answer.examples:
        console().print(f"  {shape(example.model_dump())}", highlight=False)
