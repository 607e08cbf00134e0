"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Folder = Annotated[
    Path, typer.Option("--folder", "-f", help="The study's folder.", show_default=True)
]
Columns = Annotated[
    list[str],
    typer.Option(
        "--column",
        "-c",
        help="Our name for a file's column: OURS=THEIRS or OURS=THEIRS:UNIT, such as "
        "'n_params=Model size:billion'; OURS==NUMBER for one value in all rows.",
    ),
]
Ignore = Annotated[
    list[str], typer.Option("--ignore", help="A file's column to leave out; '*' for all unknown.")
]
Law = Annotated[str, typer.Option("--law", help="One of `bayeslaw laws`.")]
Method = Annotated[
    Literal["nuts", "laplace", "map"],
    typer.Option("--method", help="Sampled (seconds), Gaussian (faster), or the mode alone."),
]
Seed = Annotated[int, typer.Option("--seed", help="Of every random choice.")]
