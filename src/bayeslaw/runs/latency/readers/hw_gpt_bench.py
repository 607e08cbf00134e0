"""HW-GPT-Bench: one forward pass of ten thousand GPTs whose layers differ, on many devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.readers.door import admit, read_frame
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import BYTES_PER_VALUE, prefill_work

Scale = Literal["s", "m", "l"]

_BATCH_SIZE: Mapping[str, int] = {"s": 8, "m": 4, "l": 1}
_PROMPT_TOKENS = 1024
_HEAD_DIM = 64
_VOCAB_SIZE = 50254

# The source names no form factor and no memory size; the higher ceilings are held against a row.
_DEVICES: Mapping[str, str] = {
    "P100": "p100-pcie",
    "v100": "v100-sxm2",
    "a100": "a100-80gb",
    "a40": "a40",
    "a6000": "a6000",
    "h100": "h100-sxm",
    "rtx2080": "rtx2080ti",
    "rtx3080": "rtx3080",
}
# On a GPU the passes ran under autocast: memory is six bytes a parameter (float32 weights and
# float16 copies of them), and a V100 multiplied at up to 44 TFLOP/s, of 15.7 in float32. A pass then
# reads each weight in float32, writes it in float16 and reads that: eight bytes, not two.
_AUTOCAST_WEIGHT_BYTES_OVER_FLOAT16 = 4.0

_MEDIAN = "lat_med_ms__"


def read_hw_gpt_bench(
    folder: Path | str,
    scale: Scale,
    *,
    architectures_from: Path | str | None = None,
    skip_impossible: bool = False,
) -> LatencyTable:
    """Read one scale of HW-GPT-Bench as ``forward_ms``, every device.

    Layers differ in heads and MLP width; the shape columns are means over layers, from which the
    counts come out as sums over layers. ``bias`` is a further feature. GPU rows are float16 (under
    autocast, weights kept in float32), CPU rows float32. ``repeat_sd`` is that of back-to-back
    repeats, which is far less than sessions differ.

    Args:
        folder: Holds ``latency_{scale}*.parquet``, any number, and ``arch_{scale}*.parquet``.
        scale: ``s``, ``m`` or ``l``: batches of 8, 4 or 1 sequences of 1024 tokens.
        architectures_from: A folder to look for architectures in as well.
        skip_impossible: Drop rows below the physical floor, with a note, rather than refuse.

    Raises:
        InvalidInputError: A file or architecture is missing, or a row is impossible.

    Source: github.com/automl/HW-GPT-Bench, arXiv:2405.10299.
    """
    if scale not in _BATCH_SIZE:
        raise InvalidInputError(f"scale must be one of {sorted(_BATCH_SIZE)}, got {scale!r}")
    folder = Path(folder)
    shapes = _read_shapes([Path(f) for f in (folder, architectures_from) if f is not None], scale)
    paths = sorted(folder.glob(f"latency_{scale}*.parquet"))
    if not paths:
        raise InvalidInputError(f"{folder} has no latency_{scale}*.parquet")
    tables = [
        table for path in paths for table in _read_devices(path, scale, shapes, skip_impossible)
    ]
    if not tables:
        raise InvalidInputError(f"{folder}: no device has timed anything at scale {scale!r}")
    return LatencyTable.concat(tables)


def _read_shapes(folders: Sequence[Path], scale: str) -> pd.DataFrame:
    """Return the shape columns by ``arch_id``."""
    required = ("arch_id", "embed_dim", "n_layer", "bias", "n_head", "mlp_ratio")
    paths = [path for folder in folders for path in sorted(folder.glob(f"arch_{scale}*.parquet"))]
    if not paths:
        raise InvalidInputError(
            f"no arch_{scale}*.parquet in {' or '.join(map(str, folders))}; name a folder that has "
            f"the architectures with architectures_from"
        )
    frame = pd.concat([read_frame(path, required) for path in paths])
    frame = frame.drop_duplicates("arch_id").set_index("arch_id")
    d_model = frame["embed_dim"].to_numpy(np.float64)
    n_layers = frame["n_layer"].to_numpy(np.float64)
    heads = _mean_over_layers(frame, "n_head")
    return pd.DataFrame(
        {
            "d_model": d_model,
            "n_layers": n_layers,
            "n_heads": heads,
            "n_kv_heads": heads,
            "d_ff": d_model * _mean_over_layers(frame, "mlp_ratio"),
            "bias": frame["bias"].to_numpy(np.float64),
        },
        index=frame.index,
    )


def _mean_over_layers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return the mean of comma-separated choices, one a layer, ``(architecture,)``."""
    means = np.empty(len(frame))
    rows = zip(frame.index, frame[name], frame["n_layer"], strict=True)
    for row, (arch_id, text, n_layers) in enumerate(rows):
        choices = [float(word) for word in str(text).split(",")]
        if len(choices) != n_layers:
            raise InvalidInputError(
                f"architecture {arch_id!r} names {len(choices)} layers in {name!r} and has {n_layers}"
            )
        means[row] = sum(choices) / len(choices)
    return means


def _read_devices(
    path: Path, scale: str, shapes: pd.DataFrame, skip_impossible: bool
) -> list[LatencyTable]:
    """Return one table a device of a file; rows that it did not run on are left out."""
    frame = read_frame(path, ("arch_id",))
    names = [column.removeprefix(_MEDIAN) for column in frame if column.startswith(_MEDIAN)]
    if not names:
        raise InvalidInputError(f"{path.name} has no column {_MEDIAN}DEVICE")
    if unknown := sorted(set(frame["arch_id"]) - set(shapes.index)):
        raise InvalidInputError(
            f"{path.name} times {len(unknown)} architectures that no arch_{scale}*.parquet "
            f"describes, {unknown[0]!r} first; name the folder that does with architectures_from"
        )
    tables = []
    for name in names:
        timed = frame.loc[frame[_MEDIAN + name].notna()]
        if timed.empty:
            continue
        notes = []
        if len(timed) < len(frame):
            notes.append(f"{path.name}: {len(frame) - len(timed)} rows not run on {name}")
        tables.append(_one_device(timed, name, scale, shapes, path.name, notes, skip_impossible))
    return tables


def _one_device(
    timed: pd.DataFrame,
    name: str,
    scale: str,
    shapes: pd.DataFrame,
    source: str,
    notes: Sequence[str],
    skip_impossible: bool,
) -> LatencyTable:
    def cells(prefix: str) -> np.ndarray:
        if f"{prefix}__{name}" not in timed:
            raise InvalidInputError(f"{source} lacks column {prefix}__{name}")
        return timed[f"{prefix}__{name}"].to_numpy(np.float64)

    shape = shapes.loc[timed["arch_id"]]
    median, mean, spread, n_repeats = (
        cells(prefix) for prefix in ("lat_med_ms", "lat_mean_ms", "lat_std_ms", "n_rep")
    )
    is_cpu = "cpu" in name.lower()
    columns = {
        **{column: shape[column].to_numpy() for column in shape},
        "head_dim": _HEAD_DIM,
        "vocab_size": _VOCAB_SIZE,
        "batch_size": _BATCH_SIZE[scale],
        "prompt_tokens": _PROMPT_TOKENS,
        "output_tokens": 1,
        "latency_ms": median,
        "repeat_sd": np.where(n_repeats > 1, spread, np.nan) / np.where(mean > 0, mean, np.nan),
        "n_repeats": n_repeats,
    }
    if not is_cpu:
        one_pass = prefill_work(columns, 1, _PROMPT_TOKENS, BYTES_PER_VALUE["float16"])
        columns["prefill_weight_bytes"] = (
            _AUTOCAST_WEIGHT_BYTES_OVER_FLOAT16 * one_pass.weight_bytes
        )
    labels = {
        "model": [str(arch_id) for arch_id in timed["arch_id"]],
        "figure": "forward_ms",
        "device": _DEVICES.get(name, name),
        "engine": "torch",
        "precision": "float32" if is_cpu else "float16",
    }
    return admit(columns, labels, source=source, skip_impossible=skip_impossible, notes=notes)
