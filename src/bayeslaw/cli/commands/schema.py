"""``bayeslaw schema``: how a study and a lab talk to each other."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bayeslaw.cli.output import print_json


class What(StrEnum):
    """The two files."""

    job = "job"
    result = "result"


def schema(what: Annotated[What, typer.Argument(help="job.json or result.json.")]) -> None:
    """Print the JSON Schema of job.json or result.json, for a lab of your own."""
    from bayeslaw.runs.schemas import job_schema, result_schema

    print_json(job_schema() if what is What.job else result_schema())
