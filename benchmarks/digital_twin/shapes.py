"""Networks of a given size from four numbers of shape, and the pools a lab would consider."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslaw.space import Architecture, Candidate

VOCAB_SIZE = 32_000
HEAD_DIM = 64
N_SIZES = 6
SHAPES_PER_SIZE = 72
N_TARGET_SHAPES = 384
TOKENS_PER_PARAM = (10, 20, 40, 80)
GQA_GROUPS = (1, 2, 4, 8)
_SIZE_TOLERANCE = 0.015
_TRIES = 200_000


@dataclass(frozen=True)
class Shape:
    """Describe a network but for its size.

    Attributes:
        relative_width: ``d_model / sqrt(n_params_body)``.
        aspect_ratio: ``d_model / n_layers``.
        mlp_attention_ratio: MLP weights over attention weights.
        gqa_group: Query heads that share a KV head [count].
    """

    relative_width: float
    aspect_ratio: float
    mlp_attention_ratio: float
    gqa_group: int


def build(shape: Shape, n_params_body: float) -> Architecture | None:
    """Return the network nearest to a shape, None where its size is more than 1.5 % off.

    Widths are multiples of 64 and of 16 in the MLP, heads have 64 numbers.

    >>> network = build(Shape(0.066, 128, 4.8, 4), 973e6)
    >>> str(network)
    'L16 d2048 h32/8x64 ff8192'
    """
    d_model = max(1, round(shape.relative_width * n_params_body**0.5 / 64)) * 64
    n_layers = max(2, round(d_model / shape.aspect_ratio))
    per_width = n_params_body / n_layers / d_model - 2
    group = shape.gqa_group
    per_head = HEAD_DIM * 2 * (1 + 1 / group)
    n_groups = round(per_width / (1 + shape.mlp_attention_ratio) / per_head / group)
    if n_groups < 1:
        return None
    d_ff = round((per_width - n_groups * group * per_head) / 3 / 16) * 16
    if d_ff < 64:
        return None
    built = Architecture(n_layers, d_model, n_groups * group, n_groups, HEAD_DIM, d_ff, VOCAB_SIZE)
    is_off = abs(built.n_params_body / n_params_body - 1) > _SIZE_TOLERANCE
    return None if is_off else built


def shape_of(architecture: Architecture) -> Shape:
    """Return the shape a network has."""
    return Shape(
        architecture.relative_width,
        architecture.aspect_ratio,
        architecture.mlp_attention_ratio,
        architecture.gqa_group,
    )


def coordinates(architectures: list[Architecture]) -> np.ndarray:
    """Return shapes as logarithms ``(architecture, 4)``: x, R, r and GQA group."""
    shapes = [shape_of(a) for a in architectures]
    return np.log(
        [[s.relative_width, s.aspect_ratio, s.mlp_attention_ratio, s.gqa_group] for s in shapes]
    )


def draw_shapes(n_shapes: int, n_params_body: float, seed: int) -> list[Architecture]:
    """Draw distinct networks of one size: x .04-.16, R 16-300, r .5-6, log-uniform."""
    rng = np.random.default_rng(seed)
    found: dict[Architecture, None] = {}
    for _ in range(_TRIES):
        low, high = np.log([0.04, 16, 0.5]), np.log([0.16, 300, 6])
        width, aspect, ratio = np.exp(rng.uniform(low, high))
        built = build(Shape(width, aspect, ratio, int(rng.choice(GQA_GROUPS))), n_params_body)
        if built is not None and is_sane(built):
            found[built] = None
        if len(found) == n_shapes:
            break
    return list(found)


def is_sane(architecture: Architecture) -> bool:
    """Say whether somebody would build it: 4-64 layers, .4-6 of r, attention of .25-4 the width."""
    attention = architecture.n_heads * architecture.head_dim / architecture.d_model
    return (
        4 <= architecture.n_layers <= 64
        and 0.4 <= architecture.mlp_attention_ratio <= 6.5
        and 0.25 <= attention <= 4
    )


def training_pool(sizes: np.ndarray, seed: int) -> list[Candidate]:
    """Return every drawn shape of every size at every number of tokens a weight."""
    found = []
    for place, size in enumerate(sizes):
        for architecture in draw_shapes(SHAPES_PER_SIZE, size, seed + 101 * place):
            tokens = [int(ratio * size) for ratio in TOKENS_PER_PARAM]
            found += [Candidate(architecture, n_tokens) for n_tokens in tokens]
    return found
