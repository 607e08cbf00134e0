"""``bayeslaw suggest``: what to run next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json, print_table, stacked
from bayeslaw.errors import InvalidInputError


def suggest(
    count: Annotated[
        int | None,
        typer.Option("--count", "-q", min=1, help="How many runs; the study's own by default."),
    ] = None,
    max_gpu_hours: Annotated[
        float | None,
        typer.Option(min=0.0, help="What one run may take, such as the hours to a deadline."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what they would be and plan nothing.")
    ] = False,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Choose the next runs, plan them, and say why; train them with `train` or elsewhere."""
    from bayeslaw.cli.progress import waiting
    from bayeslaw.study.study import Study

    study = Study(folder)
    if not study.runs:
        if dry_run:
            raise InvalidInputError(
                "the first runs are spread over the space, whatever is believed; plan them without "
                "--dry-run"
            )
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
            beliefs = study.beliefs(study.fit("laplace"))
            suggestions = study.suggest(
                beliefs, count, keep=not dry_run, max_gpu_hours=max_gpu_hours
            )
        planned = [run.run_id for run in study.runs if run.run_id not in before]
        names = ["not planned"] * len(suggestions) if dry_run else planned
        content = [
            {"run_id": name, **suggestion.to_dict()}
            for name, suggestion in zip(names, suggestions, strict=True)
        ]
    if as_json:
        print_json(content)
        return
    if not content:
        console().print("nothing: the budget is spent, or pays for no run that is left")
        return
    print_table(
        "what would be planned" if dry_run else "planned runs",
        ["run", "shape", "tokens", "loss [nats/token]", "TPOT [ms]", "cost [h]", "value"],
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
        _value(entry),
    ]


def _value(entry: dict[str, Any]) -> str:
    """Return the value of a run with its Monte Carlo error."""
    if entry.get("value") is None:
        return ""
    error = entry["record"].get("value_stderr")
    return f"{entry['value']:.2g}" + ("" if error is None else f" +- {error:.1g}")
