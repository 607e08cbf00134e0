"""The open latency table: a row a measurement, from the lines that a GPU machine wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from bayeslaw.runs import Measurement
from benchmarks.gpu.latency_space import NamedCase, blocks, smoke_blocks
from benchmarks.gpu.measure_space import read_lines

_OWN_COLUMNS = (
    "attention",
    "attention_version",
    "cuda_graph",
    "cuda",
    "torch",
    "python",
    "fits_l2",
)
_LEFT_OUT = ("machine",)  # a host's name is nobody's business


def write_latency_table(lines: Path, parquet: Path) -> int:
    """Turn lines into a Parquet file; return the number of rows.

    Raises:
        InvalidInputError: A line is not a measurement.
    """
    table = latency_table(read_lines(lines))
    parquet.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(parquet, index=False)
    return len(table)


def latency_table(measurements: list[Measurement]) -> pd.DataFrame:
    """Return a row a measurement, anchors' repeats and those out of memory too, in their order.

    Shape and workload fields keep their names, so that an `Architecture` can be read back from a
    row. Times are milliseconds and are missing where memory did not suffice. What has no column of
    its own is in ``record``, as JSON.
    """
    planned = {
        (case.architecture, case.workload): case
        for block in [*blocks(), *smoke_blocks()]
        for case in block
    }
    return pd.DataFrame([_row(m, planned.get((m.architecture, m.workload))) for m in measurements])


def _row(m: Measurement, case: NamedCase | None) -> dict[str, Any]:
    a, w, record = m.architecture, m.workload, m.record
    percentiles = {
        f"{figure.removesuffix('_ms')}_{name}_ms": m.percentiles.get(figure, {}).get(name)
        for figure in ("ttft_ms", "tpot_ms")
        for name in ("p10", "p25", "p50", "p75", "p90", "p99")
    }
    rest = {k: v for k, v in record.items() if k not in (*_OWN_COLUMNS, *_LEFT_OUT)}
    return {
        "name": None if case is None else case.name,
        "family": None if case is None else case.family,
        **a.to_dict(),
        "n_params": a.n_params,
        "n_params_body": a.n_params_body,
        "kv_bytes_per_token": a.kv_bytes_per_token(w.bytes_per_value),
        **{k: v for k, v in w.to_dict().items() if k != "device"},
        "ttft_ms": m.ttft_ms,
        "tpot_ms": m.tpot_ms,
        "e2el_ms": m.e2el_ms,
        **percentiles,
        "ttft_iqr_ms": m.ttft_iqr_ms,
        "tpot_iqr_ms": m.tpot_iqr_ms,
        "n_repeats": m.n_repeats,
        "out_of_memory": m.out_of_memory,
        "memory_bytes": m.memory_bytes,
        "device": m.device,
        "engine_version": m.engine_version,
        "session": m.session,
        **{name: record.get(name) for name in _OWN_COLUMNS},
        "driver": record.get("gpu_before", {}).get("driver"),
        "is_anchor": "anchor" in record,
        "record": json.dumps(rest, sort_keys=True),
    }
