"""What the roofline may get wrong of an architecture, in doublings."""

from __future__ import annotations

import numpy as np

from bayeslaw.runs import LatencyTable

SHAPE_FEATURES = (
    "d_model", "n_layers", "n_heads", "gqa_group", "head_dim", "mlp_width_ratio", "batch_size",
    "prompt_tokens", "output_tokens", "n_devices",
)  # fmt: skip
"""Features of the Gaussian process, each as log2: 1 is a factor of two whatever was measured."""

TILES = (64, 128, 256)
"""Sides of the tiles in which GPUs multiply matrices [rows or columns]."""

STREAMING_MULTIPROCESSORS = 132
"""Of an H100; a wave is that many tiles at once."""


def shape_features(table: LatencyTable) -> np.ndarray:
    """Lay out `SHAPE_FEATURES`, then the table's extra columns as they are, ``(row, feature)``.

    The unit is fixed rather than standardised on the data: a candidate four times wider than
    anything measured is two doublings away, however narrow the data.
    """
    columns = table.columns
    ratios = {
        **columns,
        "gqa_group": columns["n_heads"] / columns["n_kv_heads"],
        "mlp_width_ratio": columns["d_ff"] / columns["d_model"],
    }
    shape = np.log2(np.stack([ratios[name] for name in SHAPE_FEATURES], axis=-1))
    extra = [columns[name][:, None] for name in table.extras]
    return np.concatenate([shape, *extra], axis=-1)


def feature_names(table: LatencyTable) -> tuple[str, ...]:
    """Return the columns' names of `shape_features`."""
    return (*SHAPE_FEATURES, *table.extras)


def quantization_features(table: LatencyTable) -> np.ndarray:
    """Return by how much tiles and waves round work up, as log2 of ceil ratios, ``(row, 5)``.

    A product of ``m`` rows and ``n`` columns fills ``ceil(m/t) ceil(n/t)`` tiles and, on a GPU of
    S multiprocessors, ``ceil(tiles / S)`` waves (NVIDIA, "Matrix Multiplication Background User's
    Guide", tile and wave quantization). Width, MLP width and the wave of its up-projection.

    >>> import numpy as np
    >>> rounded_up(np.array([128.0, 129.0]), 128).round(3).tolist()
    [0.0, 0.989]
    """
    columns = table.columns
    tile = TILES[1]
    rows = np.maximum(columns["batch_size"] * columns["prompt_tokens"], 1.0)
    n_tiles = np.ceil(rows / tile) * np.ceil(columns["d_ff"] / tile)
    sides = [rounded_up(columns["d_model"], size) for size in TILES[:2]]
    sides += [rounded_up(columns["d_ff"], size) for size in TILES[1:]]
    waves = rounded_up(n_tiles, STREAMING_MULTIPROCESSORS)
    return np.stack([*sides, waves], axis=-1)


def rounded_up(values: np.ndarray, step: int) -> np.ndarray:
    """Return log2 of ``ceil(value / step) step / value``."""
    return np.log2(np.ceil(values / step) * step / values)
