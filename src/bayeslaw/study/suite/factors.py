"""What a suite varies besides size, and how well its trunks tell the effects apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bayeslaw.space import Architecture

FACTORS: Mapping[str, Callable[[Architecture], float]] = {
    "aspect_ratio": lambda a: math.log(a.aspect_ratio),
    "mlp_attention_ratio": lambda a: math.log(a.mlp_attention_ratio),
    "gqa_group": lambda a: math.log(a.gqa_group),
    "attention_width": lambda a: math.log(a.n_heads * a.head_dim / a.d_model),
    "head_dim": lambda a: math.log(a.head_dim),
}
"""Natural logarithms of what is spread. Size, aspect ratio, MLP-to-attention ratio, GQA group and
the heads' total width over the model's leave no freedom but how the heads are cut."""

# Size, aspect ratio, MLP-to-attention ratio and GQA are what laws ask about.
DISTANCE_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 0.5, 0.25])

# Effects that bend: their squares must be told from everything else, too.
BENT = ("aspect_ratio", "mlp_attention_ratio")

TERMS = ("n_params_body", *FACTORS, *(f"{name}^2" for name in BENT))
"""Columns of `terms`."""


def factor_values(architectures: Sequence[Architecture]) -> np.ndarray:
    """Return log body weights and the factors, float64 ``(architecture, 1 + factor)``."""
    return np.array(
        [
            [math.log(a.n_params_body), *(value(a) for value in FACTORS.values())]
            for a in architectures
        ]
    )


def scaled(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return values with ``low`` at -1 and ``high`` at 1; 0 where the two are one."""
    width = high - low
    return np.where(width > 0, 2 * (values - low) / np.where(width > 0, width, 1.0) - 1, 0.0)


def terms(points: np.ndarray) -> np.ndarray:
    """Return scaled size and factors with the squares of those that bend, ``(point, term)``."""
    bent = [1 + list(FACTORS).index(name) for name in BENT]
    return np.concatenate([points, points[..., bent] ** 2], axis=-1)


def correlations(architectures: Sequence[Architecture]) -> np.ndarray:
    """Return how much alike the terms of a suite are, ``(term, term)``; 0 for one that is constant.

    Size, factors and squares that are uncorrelated have effects that a law can tell apart.
    """
    values = factor_values(architectures)
    columns = terms(scaled(values, values.min(axis=0), values.max(axis=0)))
    centred = columns - columns.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    standard = centred / np.where(spread > 1e-12, spread, 1.0) * (spread > 1e-12)
    return standard.T @ standard
