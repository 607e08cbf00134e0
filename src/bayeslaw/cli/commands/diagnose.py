"""``bayeslaw diagnose``: whether a saved posterior can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Columns, Ignore, Seed
from bayeslaw.cli.output import console, print_json, print_notes, print_table
from bayeslaw.errors import InvalidInputError


def diagnose(
    posterior: Annotated[
        Path, typer.Argument(help="What `bayeslaw fit --save` or a study wrote, as .nc.")
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", help="The runs it was fitted to: names runs and lets it test dearer ones."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--folder", "-f", help="Where to write diagnosis.html, all figures in it."),
    ] = None,
    column: Columns = [],  # noqa: B006  (typer copies it)
    ignore: Ignore = [],  # noqa: B006
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say whether a posterior is mixed, identified, calibrated and robust, and holds beyond its runs."""
    from bayeslaw.models.loss import Posterior
    from bayeslaw.models.loss.checks import diagnose_posterior
    from bayeslaw.models.loss.posterior_groups import with_run_names

    if table is None and (column or ignore):
        raise InvalidInputError("--column and --ignore say how to read --table; give it as well")
    rolling, why_not = None, ""
    if table is None:
        fitted = Posterior.load(posterior)
    else:
        from bayeslaw.runs.files import ColumnSource, read_runs

        mapping = dict(ColumnSource.parse(text) for text in column)
        runs = read_runs(table, columns=mapping, ignore=tuple(ignore))
        fitted = with_run_names(
            Posterior.load(posterior, fingerprint=runs.fingerprint), runs.run_ids
        )
        try:
            rolling = _rolling(fitted, runs, seed, silent=as_json)
        except InvalidInputError as error:  # runs of one cost, say: a verdict of its own
            why_not = str(error)
    diagnosis = diagnose_posterior(fitted, rolling=rolling, why_not_rolling=why_not)
    page = None
    if out is not None:
        from bayeslaw.report.diagnostics import write_diagnosis

        page = write_diagnosis(out / "diagnosis.html", fitted, diagnosis)
    if as_json:
        print_json(
            {
                "law": fitted.law_name,
                "method": fitted.method,
                "n_runs": fitted.n_runs,
                "verdicts": [verdict.to_dict() for verdict in diagnosis.verdicts],
                "notes": [note.to_dict() for note in fitted.notes],
                "page": None if page is None else str(page),
            }
        )
        return
    _show(fitted, diagnosis)
    if page is not None:
        console().print(f"wrote {page}", markup=False, highlight=False)


def _rolling(posterior: Any, runs: Any, seed: int, *, silent: bool) -> Any:
    """Predict dearer runs from cheaper ones, with a bar on a terminal."""
    from bayeslaw.models.loss.checks import rolling_origins

    with _bar(silent=silent) as progress:
        return rolling_origins(posterior.law, runs, seed=seed, progress=progress)


@contextmanager
def _bar(*, silent: bool) -> Iterator[Any]:
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("predicting dearer runs from cheaper ones"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed}/{task.total} fits"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=silent or not sys.stderr.isatty(),
    ) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _show(posterior: Any, diagnosis: Any) -> None:
    answers = {True: "yes", False: "NO", None: "?"}
    print_table(
        f"{posterior.law_name} ({posterior.method}), {posterior.n_runs} runs, N = {posterior.n_column}",
        ["question", "answer", "code", "what was found"],
        [[v.question, answers[v.is_good], v.code, v.message] for v in diagnosis.verdicts],
        left=4,
    )
    print_notes(posterior.notes)
