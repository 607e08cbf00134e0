"""``bayeslaw remote suggest``: lease what to run next."""

from __future__ import annotations

from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, Study, TokenFile, Url, open_client
from bayeslaw.cli.commands.remote.shapes import RUN_HEADERS, run_row
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_table
from bayeslaw.cli.progress import waiting


def suggest(
    study: Study,
    worker: Annotated[str, typer.Option("--worker", "-w", help="Who will train them.")],
    count: Annotated[int, typer.Option("--count", "-q", min=1, help="How many runs.")] = 1,
    max_gpu_hours: Annotated[
        float | None, typer.Option(min=0.0, help="What one run may take.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where they would be trained.")] = "",
    lease_s: Annotated[
        float, typer.Option("--lease", help="Taken back without a heartbeat for so long [s].")
    ] = 300.0,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0.0, help="How long to wait for the planner [s].")
    ] = 0.0,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Lease the runs worth doing next; the same worker asking again gets the same ones."""
    with (
        open_client(url, token_file, home) as client,
        waiting("waiting for the planner", silent=as_json or not wait_s),
    ):
        found = client.study(study).suggest(
            worker,
            count=count,
            max_gpu_hours=max_gpu_hours,
            device=device,
            lease_s=lease_s,
            wait_s=wait_s,
        )
    reason = found.reason
    if as_json:
        print_json(
            {
                "runs": [run.model_dump() for run in found],
                "reason": None if reason is None else reason.model_dump(),
            }
        )
        return
    if found:
        print_table(f"leased by {worker}", RUN_HEADERS, map(run_row, found), left=4)
    if reason is not None:
        console().print(f"{reason.code}: {reason.detail}", markup=False, highlight=False)
