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
    batch_size: Annotated[
        list[int], typer.Option(help="Sequences served together; repeat it for several.")
    ] = [1],  # noqa: B006
    prompt_tokens: Annotated[
        list[int], typer.Option(help="Tokens read before the first output; repeat it for several.")
    ] = [128],  # noqa: B006
    output_tokens: Annotated[int, typer.Option(help="Tokens written by each sequence.")] = 32,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    attention: Annotated[str, typer.Option(help="A kernel of the lab's registry.")] = "sdpa_flash",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    no_graphs: Annotated[
        bool, typer.Option("--no-graphs", help="On CUDA: decode steps eager, not as graphs.")
    ] = False,
    json_lines: Annotated[
        Path | None,
        typer.Option(
            help="Write each measurement as a line of this file; started again, go on there."
        ),
    ] = None,
    folder: Folder = Path("study"),
    as_json: AsJson = False,
) -> None:
    """Time prefill and decode: of given networks, or of those a study wants timed."""
    if architecture:
        from bayeslaw.cli.timing import time_configs
        from bayeslaw.lab.inference import TimingOptions

        options = TimingOptions(
            device=device,
            attention=attention,
            threads=threads,
            graphs=False if no_graphs else None,
        )
        measurements = time_configs(
            architecture, batch_size, prompt_tokens, output_tokens, precision, options,
            json_lines, silent=as_json,
        )  # fmt: skip
    else:
        from bayeslaw.cli.progress import StudyProgress
        from bayeslaw.study.study import Study

        with StudyProgress(silent=as_json) as progress:
            measurements = Study(folder, notify=progress).measure_planned()
    if as_json:
        print_json([measurement.to_dict() for measurement in measurements])
        return
    many = len({m.workload for m in measurements}) > 1
    print_table(
        f"latency on {measurements[0].device}, {measurements[0].engine_version}",
        [
            "network", "weights", *(("batch", "prompt") if many else ()),
            "TTFT [ms]", "IQR [ms]", "TPOT [ms]", "IQR [ms]", "E2EL [ms]", "repeats",
        ],
        [_row(measurement, many=many) for measurement in measurements],
    )  # fmt: skip


def _row(m: Any, *, many: bool) -> list[Any]:
    served = [m.workload.batch_size, m.workload.prompt_tokens] if many else []
    if not m.is_feasible:
        timed = ["out of memory", None, None, None, None, 0]
    else:
        timed = [m.ttft_ms, m.ttft_iqr_ms, m.tpot_ms, m.tpot_iqr_ms, m.e2el_ms, m.n_repeats]
    return [str(m.architecture), m.architecture.n_params, *served, *timed]
