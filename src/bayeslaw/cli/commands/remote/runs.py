"""``bayeslaw remote runs``: a study's runs."""

from __future__ import annotations

from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.commands.remote.shapes import RUN_HEADERS, run_row
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import print_json, print_table


def runs(
    study: Study,
    status: Annotated[
        str | None, typer.Option("--status", help="Only these: planned, leased, running, done, ...")
    ] = None,
    worker: Annotated[
        str | None, typer.Option("--worker", "-w", help="Only this worker's.")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List a study's runs, in the order they were added."""
    with open_client(url, token_file, home) as client:
        found = list(client.study(study).runs(status=status, worker_id=worker))
    if as_json:
        print_json([run.model_dump() for run in found])
    else:
        print_table(f"{len(found)} runs of {study}", RUN_HEADERS, map(run_row, found), left=4)
