"""``bayeslaw remote complete``: tell a result."""

from __future__ import annotations

from typing import Annotated

import typer

from bayeslaw.cli.commands.remote.connection import Home, RunId, Study, TokenFile, Url, open_client
from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json

_OUTCOMES = {
    "accepted": "run {run} is {status}",
    "duplicate": "run {run} is {status}; this result was there already",
    "kept_as_evidence": "run {run} is {status}, with another result, which stands; this one is "
    "kept as an event",
}


def complete(
    study: Study,
    run_id: RunId,
    loss_nats: Annotated[
        float, typer.Option("--loss-nats", help="Final loss of the finished schedule.")
    ],
    cost_gpu_hours: Annotated[float, typer.Option("--cost-gpu-hours", help="What it took.")],
    worker: Annotated[str | None, typer.Option("--worker", "-w", help="Who trained it.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell a run's final loss; of two results the first stands."""
    with open_client(url, token_file, home) as client:
        answer = client.study(study).complete(
            run_id, loss_nats=loss_nats, cost_gpu_hours=cost_gpu_hours, worker_id=worker
        )
    if as_json:
        print_json(answer.model_dump())
    else:
        status = answer.run.status + (", late" if answer.is_late else "")
        said = _OUTCOMES[answer.outcome].format(run=run_id, status=status)
        console().print(said, markup=False, highlight=False)
