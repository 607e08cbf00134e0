"""``bayeslaw corpus``: text to train on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from bayeslaw.cli.options import AsJson
from bayeslaw.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from bayeslaw.lab.corpus import Manifest, Notify

corpus = typer.Typer(
    help="Build text to train on, or say what a folder of it holds.", no_args_is_help=True
)


@corpus.command()
def build(
    source: Annotated[
        str,
        typer.Argument(
            help="python-sources, debian-docs, hf:NAME (a data set or its folder), or a file or "
            "folder of text, .jsonl, .jsonl.gz or .parquet."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    tokenizer: Annotated[
        Literal["bytes", "bpe"],
        typer.Option("--tokenizer", help="A token a byte, or symbols learnt from this text."),
    ] = "bytes",
    vocab_size: Annotated[
        int | None,
        typer.Option("--vocab-size", help="Of bpe, a multiple of 64; 16,384 by default."),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            "--max-bytes",
            help="Most text to keep; by default 40 MB of python-sources, all of others.",
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", help="Of documents that do not say their own.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Turn text into deduplicated tokens for training, validation and test."""
    from bayeslaw.lab.corpus import build_corpus

    with _progress(silent=as_json) as notify:
        manifest = build_corpus(
            source,
            out,
            max_bytes,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            licence=licence,
            notify=notify,
        )
    _show(manifest, out, as_json=as_json)


@corpus.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A folder that `corpus build` made.")],
    as_json: AsJson = False,
) -> None:
    """Say what a corpus holds, after checking that all of it is there."""
    from bayeslaw.lab.corpus import Corpus

    _show(Corpus.open(folder).manifest, folder, as_json=as_json)


def _show(manifest: Manifest, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(_content(manifest, folder))
        return
    print_table(
        f"{folder}: {manifest.source}, fingerprint {manifest.fingerprint}",
        ["split", "documents", "bytes", "tokens", "shards"],
        [
            [split, manifest.n_documents[split], manifest.n_bytes[split], n_tokens,
             len(manifest.shards[split])]
            for split, n_tokens in manifest.n_tokens.items()
        ],
    )  # fmt: skip
    whole = "all of the source" if manifest.is_whole else f"cut at {manifest.max_bytes:,} bytes"
    lines = [
        f"tokenizer {manifest.tokenizer}, vocabulary {manifest.vocab_size:,}, "
        f"{manifest.tokenizer_sha256[:16]}; {whole}",
        f"left out: {_counts(manifest.n_skipped)}; a duplicate has the {manifest.duplicates}, too "
        f"long is over {manifest.max_document_bytes:,} bytes",
        f"documents by licence: {_counts(manifest.licences)}",
    ]
    for line in lines:
        console().print(line, markup=False, highlight=False)


def _content(manifest: Manifest, folder: Path) -> dict[str, Any]:
    from dataclasses import asdict

    return {"folder": str(folder), "fingerprint": manifest.fingerprint, **asdict(manifest)}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"


@contextmanager
def _progress(*, silent: bool) -> Iterator[Notify]:
    """Show the stage that a build is in and how far it got."""
    with Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=silent or not sys.stderr.isatty(),
    ) as progress:
        bar = progress.add_task("starting", total=None)
        stage = ""

        def notify(now: str, done: int, total: int | None) -> None:
            nonlocal stage
            if now != stage:
                stage = now
                progress.reset(bar, description=now, total=total)
            progress.update(bar, completed=done, total=total)

        yield notify
