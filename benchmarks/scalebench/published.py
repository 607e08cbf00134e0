"""What the paper prints, to compare with."""

from __future__ import annotations

from collections.abc import Mapping

SOURCE = "arXiv:2604.22753, table 2: mean R2 over ten laws a task and ten seeds"

PUBLISHED: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "lr_bsz": {
        "random": (-0.65, -0.45, -0.33),
        "cheapest": (-0.92, -0.88, -0.80),
        "d_optimal": (-0.92, -0.66, -0.53),
        "v_optimal": (-0.70, -0.06, 0.18),
        "mspe": (-0.66, 0.00, 0.22),
    },
    "vocab": {
        "random": (0.54, 0.53, 0.59),
        "cheapest": (0.30, 0.53, 0.55),
        "d_optimal": (0.95, 0.97, 0.97),
        "v_optimal": (0.96, 0.97, 0.98),
        "mspe": (0.96, 0.98, 0.98),
    },
    "parallel": {
        "random": (-1.00, 0.27, 0.19),
        "cheapest": (-1.00, 0.42, 0.42),
        "d_optimal": (-1.00, 0.70, 0.99),
        "v_optimal": (-1.00, 0.69, 0.99),
        "mspe": (-1.00, 0.77, 0.99),
    },
    "moe": {
        "random": (-0.47, 0.01, 0.26),
        "cheapest": (0.30, 0.74, 0.81),
        "d_optimal": (0.34, 0.55, 0.74),
        "v_optimal": (0.67, 0.80, 0.80),
        "mspe": (0.59, 0.65, 0.83),
    },
    "data_constrained": {
        "random": (-0.74, -0.36, 0.12),
        "cheapest": (-0.58, -0.56, -0.40),
        "d_optimal": (0.71, 0.80, 0.77),
        "v_optimal": (0.58, 0.83, 0.85),
        "mspe": (0.73, 0.85, 0.86),
    },
    "farseer": {
        "random": (-0.77, 0.78, 0.79),
        "cheapest": (-0.89, 0.41, 0.68),
        "d_optimal": (-0.11, 0.49, 0.87),
        "v_optimal": (0.67, 0.87, 0.92),
        "mspe": (0.60, 0.88, 0.93),
    },
    "sparsity": {
        "random": (-0.25, 0.37, 0.38),
        "cheapest": (-0.95, 0.04, 0.32),
        "d_optimal": (-0.07, 0.23, 0.19),
        "v_optimal": (0.12, 0.39, 0.51),
        "mspe": (0.31, 0.44, 0.53),
    },
}
"""R2 at the three checkpoints, by task and method."""

ALL_DATA: Mapping[str, float] = {
    "lr_bsz": 0.04,
    "vocab": 0.93,
    "parallel": 0.99,
    "moe": 0.81,
    "data_constrained": 0.79,
    "farseer": 0.91,
    "sparsity": 0.37,
}
"""R2 of a fit to the whole pool, by task."""
