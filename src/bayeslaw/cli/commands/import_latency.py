"""``bayeslaw import-latency``: other people's latencies as our table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json
from bayeslaw.errors import InvalidInputError

if TYPE_CHECKING:
    from bayeslaw.runs import LatencyTable

Kind = Literal[
    "csv", "vllm-latency", "vllm-serve", "llm-inference-bench", "hw-gpt-bench", "xlstm", "neusight"
]


def import_latency(
    source: Annotated[Path, typer.Argument(help="A file, or the folder of a published table.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A .parquet or .csv to write.")],
    kind: Annotated[Kind, typer.Option(help="Who wrote it.")] = "csv",
    column: Annotated[
        list[str],
        typer.Option(
            "--column",
            "-c",
            help="csv: OURS=THEIRS, or OURS==VALUE for all rows, such as figure==tpot_ms.",
        ),
    ] = [],  # noqa: B006  (typer copies it)
    latency_unit: Annotated[str, typer.Option(help="csv: ms, s or us; must be said.")] = "",
    scale: Annotated[str, typer.Option(help="hw-gpt-bench: s, m or l.")] = "",
    architectures_from: Annotated[
        Path | None, typer.Option(help="hw-gpt-bench: another folder with its architectures.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="vllm: the served network's config.json.")
    ] = None,
    device: Annotated[str, typer.Option(help="vllm: what served it, such as h100-sxm.")] = "",
    precision: Annotated[str, typer.Option(help="vllm: of the weights.")] = "bfloat16",
    engine_version: Annotated[str, typer.Option(help="vllm: its version.")] = "",
    n_devices: Annotated[int, typer.Option(help="vllm: tensor parallel size.")] = 1,
    batch_size: Annotated[int, typer.Option(help="vllm-latency: sequences.")] = 0,
    prompt_tokens: Annotated[int, typer.Option(help="vllm-latency: input length.")] = 0,
    output_tokens: Annotated[int, typer.Option(help="vllm-latency: output length.")] = 0,
    skip_impossible: Annotated[
        bool, typer.Option("--skip-impossible", help="Leave out rows that cannot be, and say so.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read latencies that others measured, check them, and write them as one table."""
    from bayeslaw.runs.latency import readers
    from bayeslaw.runs.latency.files import write_latency_table

    table: LatencyTable
    if kind == "csv":
        table = readers.read_latency_csv(
            source,
            dict(_mapping(text) for text in column),
            latency_unit=latency_unit,
            skip_impossible=skip_impossible,
        )
    elif kind == "hw-gpt-bench":
        table = readers.read_hw_gpt_bench(
            source,
            scale,  # pyright: ignore[reportArgumentType]  (the reader says which there are)
            architectures_from=architectures_from,
            skip_impossible=skip_impossible,
        )
    elif kind in ("vllm-latency", "vllm-serve"):
        from bayeslaw.space import Workload, from_huggingface

        if config is None or not device:
            raise InvalidInputError(
                f"{kind}: the file says neither what was served nor where; give --config "
                f"config.json and --device NAME"
            )
        architecture, model = from_huggingface(config), config.parent.name
        if kind == "vllm-serve":
            table = readers.read_vllm_serve(
                source, architecture, device=device, precision=precision, model=model,
                engine_version=engine_version, n_devices=n_devices,
                skip_impossible=skip_impossible,
            )  # fmt: skip
        else:
            workload = Workload(batch_size, prompt_tokens, output_tokens, precision, "vllm", device)
            table = readers.read_vllm_latency(
                source, architecture, workload, model=model, engine_version=engine_version,
                n_devices=n_devices, skip_impossible=skip_impossible,
            )  # fmt: skip
    else:
        read = {
            "llm-inference-bench": readers.read_llm_inference_bench,
            "xlstm": readers.read_xlstm_inference,
            "neusight": readers.read_neusight,
        }[kind]
        table = read(source, skip_impossible=skip_impossible)
    write_latency_table(table, out)
    if as_json:
        print_json({"rows": len(table), "fingerprint": table.fingerprint, "notes": table.notes})
        return
    console().print(f"{table!r} written to {out}", markup=False)
    for note in table.notes:
        console().print(f"note: {note}", markup=False)


def _mapping(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise InvalidInputError(f"a column mapping is OURS=THEIRS or OURS==VALUE, got {text!r}")
    return ours, theirs
