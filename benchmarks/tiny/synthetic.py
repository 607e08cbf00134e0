"""A made-up suite whose truth is known: law, shape effects, seed noise and shape errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bayeslaw.runs import RunTable
from bayeslaw.runs.table import architecture_columns
from bayeslaw.space import Architecture

SIZES = (15_000, 27_000, 48_000, 85_000, 152_000, 270_000)
TRUNKS = (10, 10, 9, 8, 7, 5)
BUDGETS = (5, 10, 20, 40)
_TOLERANCE = 0.08


@dataclass(frozen=True)
class Truth:
    """Hold what a synthetic suite is made of; effects and sds are in log loss.

    The mean is ``E + A/N**alpha + B/D**beta`` of all weights or of the body's, times
    ``exp(shape)`` with ``shape = aspect_curve (log R - log R*)**2 + ratio_curve (log r - log
    r*)**2 + gqa_slope log2(group)``.

    Attributes:
        aspect_curve: Curvature in log aspect ratio.
        aspect_best: Aspect ratio at the optimum.
        ratio_curve: Curvature in log MLP-to-attention ratio.
        ratio_best: That ratio's optimum.
        gqa_slope: A doubling of the GQA group adds this.
        shape_sd: Of errors that belong to a shape, whatever its tokens.
        shape_slope_sd: Of a shape's error a doubling of tokens per weight, from the middle.
        shape_growth: Of a shape's error a square root of log body weights above the smallest.
        seed_sd: Of a trunk's error.
        point_sd: Of a point's own error.
        text_sd: Of the evaluation text's error, which all runs share [nats].
        n_column: How the mean counts N.
        n_trunks: Trunks a size [count].
    """

    floor: float = 0.9
    size_share: float = 14.0
    alpha: float = 0.26
    data_share: float = 90.0
    beta: float = 0.34
    aspect_curve: float = 0.004
    aspect_best: float = 16.0
    ratio_curve: float = 0.003
    ratio_best: float = 2.0
    gqa_slope: float = 0.002
    shape_sd: float = 0.004
    shape_slope_sd: float = 0.001
    shape_growth: float = 0.0
    seed_sd: float = 0.003
    point_sd: float = 0.002
    text_sd: float = 0.012
    n_column: str = "n_params_body"
    n_trunks: tuple[int, ...] = TRUNKS


def synthetic_suite(truth: Truth, *, seed: int) -> RunTable:
    """Return a suite of about 230 runs: six sizes, four budgets, a shape a size thrice."""
    shapes = [
        (size, shape)
        for number, (asked, n) in enumerate(zip(SIZES, truth.n_trunks, strict=True))
        for size, shape in zip([number] * n, _shapes(asked, n), strict=True)
    ]
    # The first shape of each size, and the smallest size's second, have two more seeds.
    starts = np.cumsum([0, *truth.n_trunks[:-1]])
    repeated = {*(int(s) for s in starts), 1}
    rng = np.random.default_rng([seed, 7])
    rows: list[tuple[Architecture, int, str, int, float]] = []
    for i, (size, shape) in enumerate(shapes):
        own = truth.shape_sd * rng.standard_normal()
        slope = truth.shape_slope_sd * rng.standard_normal()
        above = math.log(shape.n_params_body / SIZES[0])
        own += truth.shape_growth * math.sqrt(max(above, 0.0)) * rng.standard_normal()
        for repeat in range(3 if i in repeated else 1):
            trunk_error = truth.seed_sd * rng.standard_normal()
            budgets = BUDGETS if size < 4 else BUDGETS[:3]
            for b, budget in enumerate(budgets):
                error = own + slope * (b - 1.5) + trunk_error
                error += truth.point_sd * rng.standard_normal()
                rows.append((shape, budget, f"{i:02d}-s{repeat}", repeat, error))
    architectures = [row[0] for row in rows]
    n_tokens = np.array([128.0 * max(1, round(a.n_params_body * b / 128)) for a, b, *_ in rows])
    columns = architecture_columns(architectures)
    mean = truth.floor + truth.size_share / columns[truth.n_column] ** truth.alpha
    mean = mean + truth.data_share / n_tokens**truth.beta
    log_shape = (
        truth.aspect_curve * np.log(columns["aspect_ratio"] / truth.aspect_best) ** 2
        + truth.ratio_curve * np.log(columns["mlp_attention_ratio"] / truth.ratio_best) ** 2
        + truth.gqa_slope * np.log2(columns["gqa_group"])
    )
    text = truth.text_sd * rng.standard_normal()
    loss = mean * np.exp(log_shape + np.array([row[4] for row in rows])) + text
    return RunTable.from_columns(
        {
            **columns,
            "n_tokens": n_tokens,
            "loss_nats": loss,
            "loss_stderr": np.full(len(rows), max(truth.text_sd, 1e-6)),
            "seed": [1000 * row[3] + int(row[2][:2]) for row in rows],
        },
        run_ids=[f"{trunk}-{budget}" for _, budget, trunk, *_ in rows],
        trunks=[row[2] for row in rows],
        source="synthetic",
    )


@lru_cache(maxsize=32)
def _shapes(asked: int, n: int) -> list[Architecture]:
    """Return n shapes of about a size: corners and middles of the factors in turn."""
    rng = np.random.default_rng([1, asked])
    pool = _members(asked, rng)
    points = np.array(
        [
            [math.log(s.aspect_ratio), 0.8 * math.log(s.mlp_attention_ratio), math.log(s.gqa_group)]
            for s in pool
        ]
    )
    chosen = [int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    for i in range(n - 1):
        distance = ((points[:, None] - points[chosen][None]) ** 2).sum(axis=2).min(axis=1)
        far = int(np.argmax(distance))
        chosen.append(far if i % 2 == 0 else int(rng.choice(np.flatnonzero(distance > 0.1))))
    return [pool[i] for i in chosen]


def _members(asked: int, rng: np.random.Generator) -> list[Architecture]:
    """Return every shape within 8 % of a size among 200,000 random ones, 400 at most."""
    n = 200_000
    head_dim = rng.choice([8, 16, 32], n)
    group, n_kv = rng.choice([1, 2, 4], n), rng.choice([1, 2, 3, 4], n)
    n_layers = rng.integers(1, 11, n)
    n_heads = group * n_kv
    d_model = np.maximum(
        8 * np.round(n_heads * head_dim * np.exp(rng.uniform(-0.7, 0.7, n)) / 8), 16
    )
    ratio = np.exp(rng.uniform(math.log(0.3), math.log(8.0), n))
    attention = 2 * d_model * head_dim * (n_heads + n_kv)
    d_ff = 8 * np.maximum(np.round(ratio * attention / (3 * d_model) / 8), 1)
    body = n_layers * (attention + 3 * d_model * d_ff + 2 * d_model) + d_model
    aspect, ratio = d_model / n_layers, 3 * d_model * d_ff / attention
    inside = (np.abs(body / asked - 1) <= _TOLERANCE) & (aspect >= 5) & (aspect <= 60)
    rows = np.flatnonzero(inside & (ratio >= 0.3) & (ratio <= 8))[:400]
    columns = np.stack([n_layers, d_model, n_heads, n_kv, head_dim, d_ff]).astype(int)
    shapes = []
    for row in rows:
        layers, width, heads, kv_heads, head, ff = (int(value) for value in columns[:, row])
        shapes.append(Architecture(layers, width, heads, kv_heads, head, ff, 256, True))
    return shapes
