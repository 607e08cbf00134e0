"""``bayeslaw measure``: time networks on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayeslaw.cli.options import AsJson, Folder
from bayeslaw.cli.output import print_json, print_table


def measure(
    architecture: Annotated[
        list[Path],
        typer.Argument(help="Hugging Face config.json files; a study's plan when omitted."),
    ] = [],  # noqa: B006  (typer copies it)
    batch_size: Annotated[int, typer.Option(help="Sequences served together.")] = 1,
    prompt_tokens: Annotated[int, typer.Option(help="Tokens read before the first output.")] = 128,
    output_tokens: Annotated[int, typer.Option(help="Tokens written by each sequence.")] = 32,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    attention: Annotated[str, typer.Option(help="A kernel of the lab's registry.")] = "sdpa_flash",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Time prefill and decode: of given networks, or of those a study wants timed."""
    if architecture:
        from bayeslaw.cli.progress import waiting
        from bayeslaw.cli.timing import time_configs

        with waiting("timing", silent=as_json):
            measurements = time_configs(
                architecture, batch_size, prompt_tokens, output_tokens, precision, device,
                attention, threads,
            )  # fmt: skip
    else:
        from bayeslaw.cli.progress import StudyProgress
        from bayeslaw.study.study import Study

        with StudyProgress(silent=as_json) as progress:
            measurements = Study(folder, notify=progress).measure_planned()
    if as_json:
        print_json([measurement.to_dict() for measurement in measurements])
        return
    print_table(
        f"latency on {measurements[0].device}, {measurements[0].engine_version}",
        ["network", "weights", "TTFT [ms]", "IQR [ms]", "TPOT [ms]", "IQR [ms]", "repeats"],
        [_row(measurement) for measurement in measurements],
    )


def _row(m: Any) -> list[Any]:
    return [
        str(m.architecture), m.architecture.n_params, m.ttft_ms, m.ttft_iqr_ms, m.tpot_ms,
        m.tpot_iqr_ms, m.n_repeats,
    ]  # fmt: skip
