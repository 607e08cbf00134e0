"""``bayeslaw remote fail``: tell that a run gives no result."""

from __future__ import annotations

from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, RunId, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json


def fail(
    study: Study,
    run_id: RunId,
    reason: Annotated[str, typer.Argument(help="What happened.", show_default=False)],
    cost_gpu_hours: Annotated[float, typer.Option("--cost-gpu-hours", help="What it took.")] = 0.0,
    abandon: Annotated[
        bool,
        typer.Option("--abandon", help="Nobody knows whether it would train: learn nothing of it."),
    ] = False,
    worker: Annotated[str | None, typer.Option("--worker", "-w", help="Who trained it.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell that training failed, so that such shapes are avoided; or give a run up."""
    with open_client(url, token_file, home) as client:
        remote = client.study(study)
        tell = remote.abandon if abandon else remote.fail
        answer = tell(run_id, reason, cost_gpu_hours=cost_gpu_hours, worker_id=worker)
    if as_json:
        print_json(answer.model_dump())
    else:
        said = f"run {run_id} is {answer.run.status}"
        console().print(said, markup=False, highlight=False)
