"""LLM-Inference-Bench: end-to-end latency of whole requests, many engines and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.readers.door import admit, check_precision, read_frame
from bayeslaw.runs.latency.table import LatencyTable
from bayeslaw.space import prefill_work

# The paper's machines: A100 of 40 GB (Polaris), GH200 of 96 GB. Two MI250 serve 70B weights in
# float16, so a device there is the whole card. Of the H100 the form is not said: SXM's ceilings,
# the higher ones, are held against it.
_DEVICES: Mapping[str, str] = {
    "Nvidia A100 GPU": "a100-40gb",
    "Nvidia GH200 GPU": "gh200-96gb",
    "Nvidia H100 GPU": "h100-sxm",
    "AMD MI250 GPU": "mi250",
    "AMD MI300X GPU": "mi300x",
}
_SHAPE = {
    "d_model": "hidden_size",
    "n_layers": "n_layers",
    "n_heads": "n_heads",
    "n_kv_heads": "n_kv_heads",
    "d_ff": "ffn_dim",
    "vocab_size": "vocab",
    "gated_mlp": "gated_mlp",
}
_ONE_SEQUENCE = "llama.cpp"
_COLUMNS = (
    "hardware", "n_devices", "framework", "model", "input_output_len", "batch_size", "latency_s",
    "throughput_tok_s", "throughput_is_whole_batch", *_SHAPE.values(),
)  # fmt: skip


def read_llm_inference_bench(
    path: Path | str, *, precision: str = "float16", skip_impossible: bool = False
) -> LatencyTable:
    """Read LLM-Inference-Bench's results as ``e2el_ms``, an engine a framework.

    Prompt and output have one length. Throughput follows from latency, so it is checked and not
    kept. Rows without a shape (MoE, layers that differ) are left out, and a note says how many.
    A device that is not known keeps the file's name and is held to no floor.

    With llama.cpp the file's batch is not of sequences: a request takes *less* time at 16 than at
    1 and no more at 64, and at 1 as long as prompt and output written token by token. It is the
    number of prompt tokens read in one pass, over one sequence, and is laid out so: ``batch_size``
    1, and ``prefill_passes`` as many as the prompt has chunks.

    Args:
        path: ``results.csv`` or its folder: one row a case, shapes added.
        precision: Of all rows; the paper ran float16.
        skip_impossible: Drop rows below the physical floor, with a note, rather than refuse.

    Raises:
        InvalidInputError: A row is impossible, or latency and throughput contradict each other.

    Source: github.com/argonne-lcf/LLM-Inference-Bench, arXiv:2411.00136.
    """
    path = Path(path)
    path = path / "results.csv" if path.is_dir() else path
    frame = read_frame(path, _COLUMNS)
    _check_throughput(frame, path.name)
    notes = []
    shaped = ~np.isnan(frame[list(_SHAPE.values())].to_numpy(np.float64)).any(axis=1)
    if not shaped.all():
        models = ", ".join(sorted(set(frame.loc[~shaped, "model"])))
        notes.append(f"{(~shaped).sum()} of {len(frame)} rows without a shape left out: {models}")
    frame = frame.loc[shaped]
    if frame.empty:
        raise InvalidInputError(f"{path.name}: no row has a shape")
    columns = {ours: frame[theirs].to_numpy(np.float64) for ours, theirs in _SHAPE.items()}
    length = frame["input_output_len"].to_numpy(np.float64)
    columns |= {
        "head_dim": columns["d_model"] / columns["n_heads"],
        "latency_ms": 1e3 * frame["latency_s"].to_numpy(np.float64),
        "batch_size": frame["batch_size"].to_numpy(np.float64),
        "prompt_tokens": length,
        "output_tokens": length,
        "n_devices": frame["n_devices"].to_numpy(np.float64),
    }
    columns |= _chunks(columns, frame["framework"].to_numpy() == _ONE_SEQUENCE, precision)
    labels = {
        "model": [str(name) for name in frame["model"]],
        "figure": "e2el_ms",
        "device": [_DEVICES.get(str(name), str(name)) for name in frame["hardware"]],
        "engine": [str(name) for name in frame["framework"]],
        "precision": precision,
    }
    return admit(columns, labels, source=path.name, skip_impossible=skip_impossible, notes=notes)


def _chunks(
    columns: Mapping[str, np.ndarray], chunked: np.ndarray, precision: str
) -> dict[str, np.ndarray]:
    """Return the columns that differ where a prompt is read in chunks of one sequence."""
    if not chunked.any():
        return {}
    prompt = columns["prompt_tokens"]
    passes = np.where(chunked, prompt / np.minimum(columns["batch_size"], prompt), 1.0)
    batch_size = np.where(chunked, 1.0, columns["batch_size"])
    whole = prefill_work(columns, batch_size, prompt, check_precision(precision))
    # Each pass reads all weights, and does its share of the rest.
    return {
        "batch_size": batch_size,
        "prefill_passes": passes,
        "prefill_weight_bytes": whole.weight_bytes,
        **{
            f"prefill_{kind.name}": getattr(whole, kind.name) / passes
            for kind in fields(whole)
            if kind.name != "weight_bytes"
        },
    }


def _check_throughput(frame: pd.DataFrame, name: str) -> None:
    """Refuse a row whose throughput is not its tokens over its latency."""
    whole = frame["throughput_is_whole_batch"].astype(str).str.lower().isin(("true", "1", "1.0"))
    length, batch, throughput, latency = (
        frame[column].to_numpy(np.float64)
        for column in ("input_output_len", "batch_size", "throughput_tok_s", "latency_s")
    )
    tokens = 2 * length * np.where(whole, batch, 1)
    wrong = ~(np.abs(throughput * latency / tokens - 1) < 0.01)
    if wrong.any():
        row = int(np.argmax(wrong))
        cells = frame.iloc[row]
        raise InvalidInputError(
            f"{name}, line {row + 2}: {cells['throughput_tok_s']:.6g} token/s over "
            f"{cells['latency_s']:.6g} s are not the {tokens[row]:g} tokens of the request; one "
            f"of the two columns is wrong"
        )
