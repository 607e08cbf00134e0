"""Options that the ``latency`` commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Timings = Annotated[
    Path,
    typer.Argument(
        help="Timings: .parquet or .csv of `import-latency`, .jsonl of `measure --json-lines`."
    ),
]
OneDevice = Annotated[
    str | None, typer.Option("--device", help="Take this device's rows alone, such as h100-sxm.")
]
Select = Annotated[
    list[str],
    typer.Option("--select", help="Take these rows alone: LABEL=WORD, such as precision=float16."),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", help="Sequences served together; as timed most when left out."),
]
PromptTokens = Annotated[
    int | None, typer.Option("--prompt-tokens", help="Tokens read; as timed most when left out.")
]
OutputTokens = Annotated[
    int | None,
    typer.Option("--output-tokens", help="Tokens written; as timed most when left out."),
]
