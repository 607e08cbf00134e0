"""NeuSight's labels: forward passes of seven public models in eager float32, many devices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs.latency.readers.door import admit, read_frame
from bayeslaw.runs.latency.table import LatencyTable

_DEVICES: Mapping[str, str] = {
    "AMD_Instinct_MI100": "mi100",
    "AMD_Instinct_MI210": "mi210",
    "AMD_Instinct_MI250": "mi250",
    "NVIDIA_A100-PCIE-40GB": "a100-40gb-pcie",
    "NVIDIA_A100-SXM4-40GB": "a100-40gb",
    "NVIDIA_A100_80GB_PCIe": "a100-80gb-pcie",
    "NVIDIA_H100_80GB_HBM3": "h100-sxm",
    "NVIDIA_H100_PCIe": "h100-pcie",
    "NVIDIA_L4": "l4",
    "Tesla_P100-PCIE-16GB": "p100-pcie",
    "Tesla_P4": "p4",
    "Tesla_T4": "t4",
    "Tesla_V100-PCIE-32GB": "v100-pcie",
}
# From the public configurations; the file has no vocabulary, nor does it say whether there is a head.
# Counted without one for BERT, which reads both ways, and with one on every position for GPT and OPT,
# the paces of all lie together (12.5 to 14.9 TFLOP/s on the A100): plausible, not proven.
_VOCABULARY = {"bert": 30522, "gpt2": 50257, "gpt3": 50257, "opt": 50272}
_FOUR_TIMES_WIDTH = ("gpt2", "gpt3")  # whose configurations leave the MLP width at that
_COLUMNS = (
    "device", "model", "mode", "seq_len", "batch", "variant", "hidden_size", "n_layers", "n_heads",
    "ffn_dim", "fw_latency_ms",
)  # fmt: skip


def read_neusight(path: Path | str, *, skip_impossible: bool = False) -> LatencyTable:
    """Read forward latencies as ``forward_ms``, those of a training step with ``is_train`` 1.

    Networks have two MLP matrices and as many KV heads as heads; ``fusion`` is another engine
    (``torch-fusion``). Rows without a shape, or timed on several devices (whole training steps
    alone), are left out, and notes say how many. Where the file leaves the MLP width blank, GPT's
    is four widths.

    Args:
        path: ``latency.csv``.
        skip_impossible: Drop rows below the physical floor, with a note, rather than refuse.

    Raises:
        InvalidInputError: A model is not known, or a row is impossible.

    Source: github.com/sitar-lab/NeuSight, ASPLOS 2025.
    """
    path = Path(path)
    frame = read_frame(path, _COLUMNS)
    notes = []
    shape = frame[["hidden_size", "n_layers", "n_heads"]].to_numpy(np.float64)
    shaped = (shape > 0).all(axis=1)  # NaN is not
    parallel = np.array([str(word) not in ("nan", "fusion") for word in frame["variant"]])
    for left_out, why in ((~shaped, "without a shape"), (shaped & parallel, "on several devices")):
        if left_out.any():
            models = ", ".join(sorted(set(frame.loc[left_out, "model"])))
            notes.append(f"{left_out.sum()} of {len(frame)} rows {why} left out: {models}")
    frame = frame.loc[shaped & ~parallel]
    if frame.empty:
        raise InvalidInputError(f"{path.name}: no row has a shape and one device")
    kind = [str(model).split("_")[0] for model in frame["model"]]
    if unknown := sorted(set(kind) - set(_VOCABULARY)):
        raise InvalidInputError(
            f"{path.name}: no vocabulary is known for {unknown}, only for {sorted(_VOCABULARY)}"
        )
    mode = [str(word) for word in frame["mode"]]  # `inf` alone is read as infinity
    if bad := sorted(set(mode) - {"inf", "train"}):
        raise InvalidInputError(f"{path.name}: mode is 'inf' or 'train', got {bad}")
    d_model = frame["hidden_size"].to_numpy(np.float64)
    d_ff = frame["ffn_dim"].to_numpy(np.float64)
    d_ff = np.where(np.isnan(d_ff) & np.isin(kind, _FOUR_TIMES_WIDTH), 4 * d_model, d_ff)
    heads = frame["n_heads"].to_numpy(np.float64)
    columns = {
        "d_model": d_model,
        "n_layers": frame["n_layers"].to_numpy(np.float64),
        "n_heads": heads,
        "n_kv_heads": heads,
        "head_dim": d_model / heads,
        "d_ff": d_ff,
        "vocab_size": np.array([float(_VOCABULARY[name]) for name in kind]),
        "gated_mlp": 0.0,
        "latency_ms": frame["fw_latency_ms"].to_numpy(np.float64),
        "batch_size": frame["batch"].to_numpy(np.float64),
        "prompt_tokens": frame["seq_len"].to_numpy(np.float64),
        "output_tokens": 1.0,
        "is_train": np.array([float(word == "train") for word in mode]),
    }
    labels = {
        "model": [str(name) for name in frame["model"]],
        "figure": "forward_ms",
        "device": [_DEVICES.get(str(name), str(name)) for name in frame["device"]],
        "engine": ["torch-fusion" if v == "fusion" else "torch" for v in frame["variant"]],
        "precision": "float32",
    }
    is_encoder = np.array([name == "bert" for name in kind])
    return admit(
        columns,
        labels,
        source=path.name,
        skip_impossible=skip_impossible,
        notes=notes,
        causal=~is_encoder,
        all_logits=~is_encoder,
    )
