"""``bayeslaw fit``: a posterior over a law's coefficients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Columns, Folder, Ignore, Method, Seed
from bayeslaw.cli.output import console, print_json, print_notes, print_table
from bayeslaw.errors import InvalidInputError, NotFoundError


def fit(
    table: Annotated[
        Path | None,
        typer.Argument(help="Runs as .csv, .parquet or .jsonl; a study's when omitted."),
    ] = None,
    law: Annotated[
        str | None, typer.Option("--law", help="One of `bayeslaw laws`; chinchilla by default.")
    ] = None,
    method: Method = "nuts",
    column: Columns = [],  # noqa: B006  (typer copies it)
    ignore: Ignore = [],  # noqa: B006
    save: Annotated[
        Path | None, typer.Option("--save", help="Keep the posterior as NetCDF, for ArviZ.")
    ] = None,
    seed: Seed = 0,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Fit a scaling law to a table of runs, or a study's laws to its runs."""
    if table is None:
        from bayeslaw.cli.progress import waiting

        if column or ignore or save or seed or law is not None:
            raise InvalidInputError(
                "--law, --column, --ignore, --seed and --save go with a table; a study has its own "
                "laws and seed, and keeps its posteriors in its folder"
            )
        study = _study(folder)
        with waiting(f"fitting the study's laws ({method})", silent=as_json):
            posteriors = study.fit(method)
    else:
        from bayeslaw.cli.tables import fit_table

        if save is not None and not save.parent.is_dir():
            raise InvalidInputError(f"--save {save}: there is no folder {save.parent}; make it")
        posteriors = [
            fit_table(table, law or "chinchilla", method, column, ignore, seed, silent=as_json)
        ]
        if save is not None:
            posteriors[0].save(save)
    content = [_content(posterior) for posterior in posteriors]
    if as_json:
        print_json(content if table is None else content[0])
        return
    for posterior in posteriors:
        _show(posterior)
    if save is not None:
        console().print(f"saved to {save}: arviz.from_netcdf({str(save)!r}) reads it")


def _study(folder: Path) -> Any:
    from bayeslaw.study.opening import open_state

    try:
        open_state(folder)  # says at once that there is none: torch and jax take seconds to load
    except NotFoundError as error:
        raise NotFoundError(f"no table was given, and {error}") from error
    from bayeslaw.study.study import Study

    return Study(folder)


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
    # No mean: that of a coefficient like A, which spans decades, says nothing.
    headers = ["coefficient", "5 %", "50 %", "95 %", "sd", "R-hat", "ESS bulk", "ESS tail"]
    keys = ["name", "p05", "p50", "p95", "sd", "rhat", "ess_bulk", "ess_tail"]
    print_table(
        f"{posterior.law_name} ({posterior.method}), {posterior.n_runs} runs, N = {posterior.n_column}",
        headers,
        [[row.get(key) for key in keys] for row in posterior.summary()],
    )
    console().print(posterior.law.source, style="dim", markup=False, highlight=False)
    console().print(
        "losses in nats per token; sigma: noise of one run's log loss, which grows by growth off the "
        "middle tokens per weight; tau, rho: how fast the law may err in log loss, along cost and "
        "along tokens per weight",
        style="dim",
        highlight=False,
    )
    print_notes(posterior.notes)
