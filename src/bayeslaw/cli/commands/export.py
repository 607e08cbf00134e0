"""``bayeslaw export``: a study's runs as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import console, print_json


def export(
    table: Annotated[Path, typer.Argument(help="Where to: .csv, .parquet or .jsonl.")],
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Write the runs that are evidence as a table that `import` and `fit` read."""
    from bayeslaw.runs import RunTable
    from bayeslaw.runs.files import write_runs
    from bayeslaw.study.opening import open_state

    runs = RunTable.from_runs(open_state(folder).runs())
    write_runs(runs, table)
    if as_json:
        print_json(
            {
                "table": str(table),
                "n_runs": len(runs),
                "fingerprint": runs.fingerprint,
                "left_out": list(runs.left_out),
            }
        )
        return
    console().print(f"wrote {len(runs)} runs to {table}")
    if runs.left_out:
        console().print(f"left out, because some runs lack them: {', '.join(runs.left_out)}")
