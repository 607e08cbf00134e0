"""``bayeslaw import``: history counts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Columns, Folder, Ignore
from bayeslaw.cli.output import console, print_json


def import_runs(
    table: Annotated[Path, typer.Argument(help="Finished runs as .csv, .parquet or .jsonl.")],
    column: Columns = [],  # noqa: B006  (typer copies it)
    ignore: Ignore = [],  # noqa: B006
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Add runs that were trained elsewhere to a study, as evidence."""
    from bayeslaw.runs.files import ColumnSource, read_runs
    from bayeslaw.study.importing import import_table
    from bayeslaw.study.opening import open_state

    mapping = dict(ColumnSource.parse(text) for text in column)
    state = open_state(folder)
    added = import_table(state, read_runs(table, columns=mapping, ignore=tuple(ignore)))
    if as_json:
        print_json({"imported": added})
    else:
        console().print(f"imported {len(added)} runs: {', '.join(added[:8])}")
