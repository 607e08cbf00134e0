"""``bayeslaw suggest``: what to run next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json, print_table, stacked


def suggest(
    count: Annotated[
        int | None,
        typer.Option("--count", "-q", min=1, help="How many runs; the study's own by default."),
    ] = None,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Choose the next runs, plan them, and say why; train them with `train` or elsewhere."""
    from bayeslaw.cli.progress import waiting
    from bayeslaw.study.study import Study

    study = Study(folder)
    if not study.runs:
        with waiting("spreading the first runs over the space", silent=as_json):
            runs = study.plan_first_runs(count)
        content: list[dict[str, Any]] = [
            {"run_id": run.run_id, "architecture": run.architecture.to_dict(),
             "n_tokens": run.n_tokens, "why": "the first set spreads over size, tokens and shape"}
            for run in runs if run.architecture is not None
        ]  # fmt: skip
    else:
        before = {run.run_id for run in study.runs}
        with waiting("fitting and choosing runs", silent=as_json):
            suggestions = study.suggest(study.beliefs(study.fit("laplace")), count)
        planned = [run for run in study.runs if run.run_id not in before]
        content = [
            {"run_id": run.run_id, **suggestion.to_dict()}
            for run, suggestion in zip(planned, suggestions, strict=True)
        ]
    if as_json:
        print_json(content)
        return
    if not content:
        console().print("nothing: the budget is spent, or pays for no run that is left")
        return
    print_table(
        "planned runs",
        ["run", "shape", "tokens", "loss [nats/token]", "TPOT [ms]", "cost [h]"],
        [_row(entry) for entry in content],
        left=2,
    )
    for entry in content:
        console().print(f"{entry['run_id']}: {entry['why']}", markup=False, highlight=False)


def _row(entry: dict[str, Any]) -> list[Any]:
    from bayeslaw.space import Architecture

    return [
        entry["run_id"],
        Architecture.from_dict(entry["architecture"]),
        entry["n_tokens"],
        *(stacked(entry.get(key)) for key in ("loss_nats", "tpot_ms", "cost_gpu_hours")),
    ]
