"""How fast text becomes a corpus: megabytes of text a second of one core, end to end.

Reading, checking, deduplicating, splitting, hashing and writing of generated documents of about
3 kB, each source in a process of its own. The clock is the processor's: a core that is shared
with others gives the same figure. `--quick` takes a tenth of the text.
"""

from __future__ import annotations

import gzip
import importlib
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import run_benchmark

SOURCES = ("text folder", "jsonl", "jsonl.gz", "parquet", "hf: (local Parquet)", "jsonl, bpe 4096")
TARGET_MB_PER_SECOND = 20
N_BYTES = 200_000_000
# Symbols are learnt and encoded at a tenth of the speed.
BPE_MAX_BYTES = 8_000_000
_WORDS = 50_000


def main() -> None:
    headers = [
        "source",
        "MB",
        "CPU s",
        "MB/s a core",
        "wall s",
        "documents",
        "peak over import [MB]",
    ]
    run_benchmark("corpus", measure, headers, __doc__ or "")


def measure(quick: bool, folder: Path) -> tuple[dict[str, Any], Sequence[Sequence[Any]]]:
    n_bytes = N_BYTES // 10 if quick else N_BYTES
    shutil.rmtree(folder)
    folder.mkdir()
    paths = write_sources(folder, n_bytes)
    figures = []
    for name in SOURCES:
        words = [sys.executable, "-m", "benchmarks.corpus", "--one", name, paths[name], str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        figures.append({"source": name, **json.loads(done.stdout.splitlines()[-1])})
    shutil.rmtree(folder)
    byte_level = {
        row["source"]: row["mb_per_cpu_second"] for row in figures if "bpe" not in row["source"]
    }
    rows = [
        [row["source"], row["mb"], row["cpu_seconds"], row["mb_per_cpu_second"],
         row["wall_seconds"], row["n_documents"], row["peak_mb"]]
        for row in figures
    ]  # fmt: skip
    headline = {
        "slowest_byte_level_mb_per_cpu_second": min(byte_level.values()),
        "target_mb_per_cpu_second": TARGET_MB_PER_SECOND,
    }
    return {"headline": headline, "sources": figures}, rows


def write_sources(folder: Path, n_bytes: int) -> dict[str, str]:
    """Write the same documents in every format."""
    arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    texts = folder / "texts"
    (folder / "set").mkdir(parents=True)
    schema = arrow.schema([("text", arrow.string())])
    with (
        (folder / "a.jsonl").open("w") as lines,
        gzip.open(folder / "a.jsonl.gz", "wt", compresslevel=6) as packed,
        parquet.ParquetWriter(folder / "set/train.parquet", schema) as table,
    ):
        batch = []
        for number, text in enumerate(documents(n_bytes)):
            path = texts / f"{number // 1000}" / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            line = json.dumps({"text": text}) + "\n"
            lines.write(line)
            packed.write(line)
            batch.append({"text": text})
            if len(batch) == 10_000:
                table.write_table(arrow.Table.from_pylist(batch, schema))
                batch = []
        if batch:
            table.write_table(arrow.Table.from_pylist(batch, schema))
    return {
        "text folder": str(texts),
        "jsonl": str(folder / "a.jsonl"),
        "jsonl.gz": str(folder / "a.jsonl.gz"),
        "parquet": str(folder / "set/train.parquet"),
        "hf: (local Parquet)": f"hf:{folder / 'set'}",
        "jsonl, bpe 4096": str(folder / "a.jsonl"),
    }


def documents(n_bytes: int) -> Iterator[str]:
    """Yield documents of words that are as frequent as words are (Zipf); 1 of 20 is not ASCII."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwygpbvk"))
    words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(_WORDS)]
    n_written = number = 0
    while n_written < n_bytes:
        numbers = rng.zipf(1.3, int(rng.lognormal(6.0, 0.7)) + 20) % _WORDS
        text = " ".join([words[i] for i in numbers]) + "\n"
        if number % 20 == 0:
            text += "größer, 日本\n"
        n_written += len(text.encode())
        number += 1
        yield text


def build_one(name: str, source: str, folder: str) -> dict[str, Any]:
    """Build one corpus in this process and measure it."""
    corpus = importlib.import_module("bayeslaw.lab.corpus")
    for module in ("datasets", "pyarrow.parquet"):  # loading them takes seconds once
        importlib.import_module(module)
    is_bpe = "bpe" in name
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = time.process_time(), time.perf_counter()
    manifest = corpus.build_corpus(
        source,
        Path(folder) / f"out-{SOURCES.index(name)}",
        BPE_MAX_BYTES if is_bpe else None,
        tokenizer="bpe" if is_bpe else "bytes",
        vocab_size=4096 if is_bpe else None,
    )
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    mb = sum(manifest.n_bytes.values()) / 1e6
    return {
        "mb": round(mb, 1),
        "cpu_seconds": round(cpu, 2),
        "mb_per_cpu_second": round(mb / cpu, 1),
        "wall_seconds": round(wall, 2),
        "n_documents": sum(manifest.n_documents.values()),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb, 1),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(build_one(*sys.argv[2:])))
    else:
        main()
