"""The latency tables, read where they lie; what ran out of memory has no latency and is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.columns import SHAPE
from bayeslaw.runs.latency.filling import FLAGS
from bayeslaw.runs.latency.readers import (
    read_hw_gpt_bench,
    read_llm_inference_bench,
    read_neusight,
    read_xlstm_inference,
)
from bayeslaw.runs.latency.readers.hw_gpt_bench import Scale

RESULTS = Path(__file__).parents[1] / "results"


@dataclass(frozen=True)
class Tables:
    """Hold what a folder has.

    Attributes:
        hw_gpt: HW-GPT-Bench by scale.
        servers: LLM-Inference-Bench, NeuSight and so on by source: whole models on many devices.
        xlstm: The xLSTM study's timings; None where the folder has none.
        own: Our own timings by the device's folder.
    """

    hw_gpt: Mapping[str, LatencyTable]
    servers: Mapping[str, LatencyTable]
    xlstm: LatencyTable | None
    own: Mapping[str, LatencyTable]

    def __bool__(self) -> bool:
        return bool(self.hw_gpt or self.servers or self.xlstm or self.own)


def read_tables(
    folder: Path, *, architectures_from: Path | None = None, own: Path | None = None
) -> Tables:
    """Read every table whose file is in a folder.

    Args:
        folder: Of the public tables' folders.
        architectures_from: A folder of the same kind, to look for HW-GPT-Bench's architectures in.
        own: Folder of our results, ``DEVICE/latency.parquet``; None reads none.
    """
    return Tables(
        hw_gpt=_hw_gpt(folder / "hw_gpt_bench", architectures_from),
        servers={
            name: _feasible(reader(path, skip_impossible=True))
            for name, (file, reader) in _SERVERS.items()
            if (path := folder / file).exists()
        },
        xlstm=_feasible(read_xlstm_inference(path, skip_impossible=True))
        if (path := folder / "xlstm_scaling" / "inference_h100.csv").exists()
        else None,
        own={p.parent.name: read_own(p) for p in sorted(own.glob("*/latency.parquet"))}
        if own is not None
        else {},
    )


_SERVERS = {
    "llm_inference_bench": ("llm_inference_bench/results.csv", read_llm_inference_bench),
    "neusight": ("neusight_e2e/latency.csv", read_neusight),
}


def _hw_gpt(folder: Path, architectures_from: Path | None) -> dict[str, LatencyTable]:
    other = None if architectures_from is None else architectures_from / "hw_gpt_bench"
    return {
        scale: read_hw_gpt_bench(folder, scale, architectures_from=other, skip_impossible=True)
        for scale in get_args(Scale)
        if any(folder.glob(f"latency_{scale}*.parquet"))
    }


def read_own(path: Path) -> LatencyTable:
    """Read our own table, a row a timing as `benchmarks.gpu.latency_table` writes it.

    Repeats of the anchor are left out: they are one case, timed to see drift.
    """
    frame = pd.read_parquet(path)
    is_kept = ~frame["out_of_memory"].to_numpy(bool) & ~frame["is_anchor"].to_numpy(bool)
    frame = frame.loc[is_kept]
    figures = ("ttft_ms", "tpot_ms")
    columns = {
        name: np.tile(frame[name].to_numpy(np.float64), 2)
        for name in (*SHAPE, *FLAGS, "batch_size", "prompt_tokens", "output_tokens", "n_repeats")
    }
    latency, spread = (
        np.concatenate(
            [frame[figure.replace("_ms", end)].to_numpy(np.float64) for figure in figures]
        )
        for end in ("_ms", "_iqr_ms")
    )
    columns |= {"latency_ms": latency, "repeat_sd": spread / 1.349 / latency}
    labels = {
        name: [str(word) for word in frame[column]] * 2
        for name, column in (
            ("device", "device"), ("engine", "engine"), ("engine_version", "engine_version"),
            ("precision", "precision"), ("session", "session"),
        )
    }  # fmt: skip
    shapes = frame[[*SHAPE, *FLAGS]].astype(float).to_numpy()
    labels["model"] = ["x".join(f"{value:g}" for value in row) for row in shapes] * 2
    labels["figure"] = [figure for figure in figures for _ in range(len(frame))]
    return LatencyTable.from_columns(columns, labels, source=f"{path.parent.name}/{path.name}")


def _feasible(table: LatencyTable) -> LatencyTable:
    return table.where(table["out_of_memory"] == 0)
