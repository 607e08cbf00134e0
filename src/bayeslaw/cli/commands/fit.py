"""``bayeslaw fit``: a posterior over a law's coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Columns, Folder, Ignore, Law, Method, Seed
from bayeslaw.cli.output import console, print_json, print_notes, print_table


def fit(
    table: Annotated[
        Path | None,
        typer.Argument(help="Runs as .csv, .parquet or .jsonl; a study's when omitted."),
    ] = None,
    law: Law = "chinchilla",
    method: Method = "nuts",
    column: Columns = [],  # noqa: B006  (typer copies it)
    ignore: Ignore = [],  # noqa: B006
    save: Annotated[
        Path | None, typer.Option("--save", help="Keep the posterior as NetCDF, for ArviZ.")
    ] = None,
    seed: Seed = 0,
    folder: Folder = Path(),
    as_json: AsJson = False,
) -> None:
    """Fit a scaling law to a table of runs, or a study's laws to its runs."""
    if table is None:
        from bayeslaw.study.study import Study

        posteriors = Study(folder).fit(method)  # type: ignore[arg-type]
    else:
        from bayeslaw.cli.tables import fit_table

        posteriors = [fit_table(table, law, method, column, ignore, seed)]
    for posterior in posteriors:
        if save is not None:
            posterior.save(save)
    content = [_content(posterior) for posterior in posteriors]
    if as_json:
        print_json(content if table is None else content[0])
        return
    for posterior in posteriors:
        _show(posterior)
    if save is not None:
        console().print(f"saved to {save}: arviz.from_netcdf({str(save)!r}) reads it")


def _content(posterior: Any) -> dict[str, Any]:
    return {
        "law": posterior.law_name,
        "n_counted_as": posterior.n_column,
        "method": posterior.method,
        "seed": posterior.seed,
        "n_runs": posterior.n_runs,
        "fingerprint": posterior.fingerprint,
        "coefficients": posterior.summary(),
        "diagnostics": _diagnostics(posterior.diagnostics),
        "notes": [note.to_dict() for note in posterior.notes],
    }


def _diagnostics(diagnostics: Any) -> dict[str, Any] | None:
    if not diagnostics.rhat:
        return None  # only chains have them
    return {
        "max_rhat": diagnostics.max_rhat,
        "min_ess_bulk": diagnostics.min_ess_bulk,
        "min_ess_tail": diagnostics.min_ess_tail,
        "divergences": diagnostics.divergences,
    }


def _show(posterior: Any) -> None:
    headers = ["coefficient", "mean", "sd", "5 %", "50 %", "95 %", "R-hat", "ESS bulk", "ESS tail"]
    keys = ["name", "mean", "sd", "p05", "p50", "p95", "rhat", "ess_bulk", "ess_tail"]
    print_table(
        f"{posterior.law_name} ({posterior.method}), {posterior.n_runs} runs, N = {posterior.n_column}",
        headers,
        [[row.get(key) for key in keys] for row in posterior.summary()],
    )
    console().print(posterior.law.source, style="dim", markup=False, highlight=False)
    print_notes(posterior.notes)
