"""``bayeslaw observe``: a result from another lab."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json
from bayeslaw.errors import InvalidInputError, StateError


def observe(
    run_id: Annotated[str, typer.Argument(help="A planned run.")],
    loss_nats: Annotated[
        float | None, typer.Option("--loss-nats", help="Final loss of the finished schedule.")
    ] = None,
    cost_gpu_hours: Annotated[
        float | None, typer.Option("--cost-gpu-hours", help="What it took.")
    ] = None,
    failed: Annotated[str | None, typer.Option("--failed", help="Why it failed.")] = None,
    supersede: Annotated[
        str | None, typer.Option("--supersede", help="Why a done run's loss is retracted.")
    ] = None,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Report a run's result, its failure, or that its loss must no longer be believed."""
    from bayeslaw.runs import JobResult
    from bayeslaw.study.opening import open_state

    if sum(value is not None for value in (loss_nats, failed, supersede)) != 1:
        raise InvalidInputError("give exactly one of --loss-nats, --failed and --supersede")
    state = open_state(folder)
    if supersede is not None:
        run = state.supersede(run_id, supersede)
    elif failed is not None:
        run = state.fail(run_id, failed, cost_gpu_hours=cost_gpu_hours or 0.0)
    else:
        if loss_nats is None or not (loss_nats > 0 and math.isfinite(loss_nats)):
            raise InvalidInputError(
                f"--loss-nats must be positive nats per token, got {loss_nats}; report a run that "
                f"diverged with --failed REASON"
            )
        if cost_gpu_hours is None:
            raise InvalidInputError("a result needs --cost-gpu-hours: plans are made per hour")
        result = JobResult(
            run_id, "train", "done", finished=True, loss_nats=loss_nats,
            seconds=3600 * cost_gpu_hours,
        )  # fmt: skip
        run = state.complete(run_id, result)
        if (run.status, run.loss_nats) != ("done", loss_nats):
            raise StateError(
                f"run {run_id!r} is {run.status} already, with loss {run.loss_nats}: the first "
                f"result stands, this one is kept as an event; --supersede REASON retracts a loss"
            )
    if as_json:
        print_json(run.to_dict())
    else:
        word = "superseded" if run.superseded else run.status
        console().print(f"run {run.run_id} is {word}")
