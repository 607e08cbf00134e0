"""The xLSTM scaling study's inference timings: Llama 2 shapes and recurrent ones, one H100."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.columns import SHAPE
from bayeslaw.runs.latency.readers.door import admit, read_frame
from bayeslaw.runs.latency.readers.recurrent import block_params, norm_params, recurrent_work
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import BYTES_PER_VALUE

_DEVICE = "h100-sxm"
_PRECISION = "bfloat16"
_STEPS = 100  # between the file's two generation lengths, 1 and 101 tokens
_FIGURES = {"ttft_ms": ("ttft_ms", "gl1"), "tpot_ms": ("step_time_ms", "gl101")}
_LOAD = ("batch_size", "prompt_tokens", "output_tokens")
_COLUMNS = (
    "model_type", "model_tag", "batchsize", "prefill", "ttft_ms", "step_time_ms", "N_total",
    "memory_reserved_gl1", "memory_reserved_gl101", "n_heads", "d_model", "n_layers",
    "qk_dim_factor", "vocab_size", "chunk_size", "ffn_dim", "oom",
)  # fmt: skip


def read_xlstm_inference(path: Path | str, *, skip_impossible: bool = False) -> LatencyTable:
    """Read TTFT and time per step as ``ttft_ms`` and ``tpot_ms``, out of memory kept.

    A prompt of 0 is one token (the first): its TTFT is that of a step, and is read as 1. A row may
    fit a first token and not a hundred more: then its TTFT stands and its TPOT is out of memory.
    The MLP width is the one that the stated number of weights implies; three of the file's widths
    contradict it. Memory is what the allocator reserved.

    A recurrent network (``is_recurrent`` 1) has a state of ``heads x qk_dim x v_dim`` values a layer
    and sequence in the cache's place: written once by a prefill, read and written by every step;
    ``attention_flops`` are those of its chunks and state. ``head_dim`` is its ``v_dim``.

    Args:
        path: ``inference_h100.csv``.
        skip_impossible: Drop rows below the physical floor, with a note, rather than refuse.

    Raises:
        InvalidInputError: A row is impossible, or no width explains a number of weights.

    Source: github.com/NX-AI/xlstm_scaling_laws, arXiv:2510.02228.
    """
    path = Path(path)
    frame = read_frame(path, _COLUMNS)
    if unknown := sorted(set(frame["model_type"]) - {"llama2", "xlstm"}):
        raise InvalidInputError(f"{path.name}: model_type is 'llama2' or 'xlstm', got {unknown}")
    shape = _shape(frame)
    _check_weights(frame, shape, path.name)
    notes = []
    stated = frame["ffn_dim"].to_numpy(np.float64)
    if (other := np.abs(shape["d_ff"] - stated) > 0.5).any():
        tags = ", ".join(sorted(set(frame.loc[other, "model_tag"])))
        notes.append(f"ffn_dim contradicts N_total for {tags}: the width that N_total implies")
    notes.append(f"{np.sum(frame['prefill'].to_numpy() == 0)} prompts of 0 read as 1 token")
    is_recurrent = frame["model_type"].to_numpy() == "xlstm"
    columns: dict[str, list[np.ndarray]] = {}
    for timed, length in _FIGURES.values():
        ran_out = (frame[timed].to_numpy(np.float64) < 0) & frame["oom"].to_numpy(bool)
        ran_out |= frame[timed].isna().to_numpy() & frame["oom"].to_numpy(bool)
        memory = frame[f"memory_reserved_{length}"].to_numpy(np.float64)
        rows = {
            **shape,
            "latency_ms": np.where(ran_out, np.nan, frame[timed].to_numpy(np.float64)),
            "out_of_memory": ran_out.astype(np.float64),
            "n_repeats": np.where(ran_out, 0.0, 1.0),
            "memory_bytes": np.where(memory > 0, memory, np.nan),
            "batch_size": frame["batchsize"].to_numpy(np.float64),
            "prompt_tokens": np.maximum(frame["prefill"].to_numpy(np.float64), 1),
            "output_tokens": np.full(len(frame), _STEPS + 1.0),
            "is_recurrent": is_recurrent.astype(np.float64),
        }
        for name, values in rows.items():
            columns.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    labels = {
        "model": [str(tag) for tag in frame["model_tag"]] * len(_FIGURES),
        "figure": [figure for figure in _FIGURES for _ in range(len(frame))],
        "device": _DEVICE,
        "engine": "torch",
        "precision": _PRECISION,
    }
    recurrent = np.tile(is_recurrent, len(_FIGURES))
    twice = {name: values for name, values in joined.items() if name in (*SHAPE, *_LOAD)}
    work = recurrent_work(
        twice,
        np.tile(frame["qk_dim_factor"].fillna(0).to_numpy(np.float64), len(_FIGURES)),
        np.tile(frame["chunk_size"].fillna(1).to_numpy(np.float64), len(_FIGURES)),
        BYTES_PER_VALUE[_PRECISION],
    )
    counted = LatencyTable.from_columns(twice, labels)
    given = {name: np.where(recurrent, values, counted[name]) for name, values in work.items()}
    return admit(
        {**joined, **given}, labels, source=path.name, skip_impossible=skip_impossible, notes=notes
    )


def _shape(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the shape columns, ``(row,)``, with the MLP width that N implies."""
    d_model, heads, layers, vocab = (
        frame[name].to_numpy(np.float64)
        for name in ("d_model", "n_heads", "n_layers", "vocab_size")
    )
    others = _weights_without_mlp(frame) * layers + 2 * vocab * d_model + d_model
    d_ff = (frame["N_total"].to_numpy(np.float64) - others) / (3 * d_model * layers)
    return {
        "d_model": d_model,
        "n_layers": layers,
        "n_heads": heads,
        "n_kv_heads": heads,
        "head_dim": d_model / heads,
        "d_ff": np.round(d_ff),
        "vocab_size": vocab,
    }


def _weights_without_mlp(frame: pd.DataFrame) -> np.ndarray:
    """Return weights of a layer but for its MLP, norms included, ``(row,)``."""
    d_model, heads, factor = (
        frame[name].to_numpy(np.float64) for name in ("d_model", "n_heads", "qk_dim_factor")
    )
    llama = 4 * d_model**2 + 2 * d_model
    xlstm = block_params(d_model, heads, 0.0, factor) + norm_params(d_model, heads)
    return np.where(frame["model_type"] == "xlstm", xlstm, llama)


def _check_weights(frame: pd.DataFrame, shape: dict[str, np.ndarray], name: str) -> None:
    """Refuse a row whose number of weights no whole MLP width gives."""
    layers, d_model = shape["n_layers"], shape["d_model"]
    mlp = 3 * d_model * shape["d_ff"] * layers
    n_params = _weights_without_mlp(frame) * layers + mlp
    n_params += 2 * shape["vocab_size"] * d_model + d_model
    wrong = ~(np.abs(n_params / frame["N_total"] - 1) < 1e-6) | (shape["d_ff"] < 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidInputError(
            f"{name}, line {row + 2}: no MLP width gives {frame['model_tag'].iloc[row]} its stated "
            f"{frame['N_total'].iloc[row]} weights"
        )
