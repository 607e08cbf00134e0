"""Which trunks a suite trains, and in which order: a pure function of its file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayeslaw.errors import InvalidInputError, UndecidedError
from bayeslaw.space import Architecture, Candidate, SearchSpace
from bayeslaw.study.suite.config import SizeSection, SuiteConfig
from bayeslaw.study.suite.factors import factor_values, scaled
from bayeslaw.study.suite.spread import choose_spread, farthest_first

_POOL = 1500
_CENTRES = 400
# LLaMA's proportions: an MLP of 8/3 widths is twice the attention's weights.
_CENTRE_CONSTRAINTS = ("n_heads * head_dim == d_model", "n_kv_heads == n_heads")
_CENTRE_RATIO = 2.0
_CENTRE_TOLERANCE = 1.25
# More trunks, and more repeats, than any suite has: no two jobs share a seed.
_SEED_STRIDE = 10_000
_SUITE_STRIDE = 1_000_000


@dataclass(frozen=True, slots=True)
class Trunk:
    """Name one training job of a suite: a network trained once, finished several times.

    Attributes:
        name: Unique in the suite, such as ``48k-03``, or ``48k-03-s1`` with another seed.
        n_params_body_asked: The size it stands for [count].
        architecture: The network.
        tokens: Finished points, growing; the last is the trunk's own end [count].
        seed: Of weights and data order.
        is_repeat: Whether another trunk has the same shape and another seed.
    """

    name: str
    n_params_body_asked: int
    architecture: Architecture
    tokens: tuple[int, ...]
    seed: int
    is_repeat: bool = False

    @property
    def candidate(self) -> Candidate:
        """The network with the trunk's own tokens."""
        return Candidate(self.architecture, self.tokens[-1])


def design(config: SuiteConfig) -> list[Trunk]:
    """Return a suite's trunks, size by size; a size's first is its LLaMA-like centre.

    Of each size many members of the space are drawn, and a set is chosen that lies far apart in
    log aspect ratio, log MLP-to-attention ratio, log GQA group, log attention width and log head
    size, with all of these, size, and the squares of the first two uncorrelated over the whole
    suite. Within a size, trunks are sorted so that the first few are spread as well as can be.

    Raises:
        EmptySpaceError: A size has no member.
        InvalidInputError: A size has fewer members than trunks, or no LLaMA-like one.
    """
    pools = [_pool(config, size) for size in config.sizes]
    values = [factor_values(pool) for pool in pools]
    together = np.concatenate(values)
    low, high = together.min(axis=0), together.max(axis=0)
    points = [scaled(each, low, high) for each in values]
    chosen = choose_spread(points, [size.trunks for size in config.sizes], 1, config.seed)
    trunks: list[Trunk] = []
    for size, pool, rows, where in zip(config.sizes, pools, chosen, points, strict=True):
        ordered = [rows[i] for i in farthest_first(where[rows])]
        for number, row in enumerate(ordered, start=1):
            trunks.append(
                Trunk(
                    name=f"{size_label(size.n_params_body)}-{number:02d}",
                    n_params_body_asked=size.n_params_body,
                    architecture=pool[row],
                    tokens=_tokens(config, size, pool[row]),
                    seed=config.seed * _SUITE_STRIDE + len(trunks),
                )
            )
    return [*trunks, *_repeats(config, trunks)]


def size_label(n_params_body: int) -> str:
    """Return a size in few characters.

    >>> size_label(15_000), size_label(5_000_000), size_label(1234)
    ('15k', '5M', '1234')
    """
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n_params_body % unit == 0:
            return f"{n_params_body // unit}{letter}"
    return str(n_params_body)


def _of_size(config: SuiteConfig, size: SizeSection) -> SearchSpace:
    low, high = (size.n_params_body * (1 + sign * config.tolerance) for sign in (-1, 1))
    return config.shapes.where(f"{low} <= n_params_body", f"n_params_body <= {high}")


def _pool(config: SuiteConfig, size: SizeSection) -> list[Architecture]:
    """Draw members of one size, the LLaMA-like centre first."""
    space = _of_size(config, size)
    # One order of drawing for all sizes would give all the same accidents.
    drawn = [c.architecture for c in space.sample(_POOL, seed=config.seed + size.n_params_body)]
    if len(drawn) < size.trunks:
        raise InvalidInputError(
            f"size {size.n_params_body} has {len(drawn)} shapes within {config.tolerance:.0%} and "
            f"asks for {size.trunks}; widen tolerance or axes"
        )
    middle = np.exp(np.median([math.log(a.aspect_ratio) for a in drawn]))
    centre = _centre(config, size, middle)
    return [centre, *(a for a in drawn if a != centre)]


def _centre(config: SuiteConfig, size: SizeSection, aspect_ratio: float) -> Architecture:
    """Return the shape nearest to LLaMA's proportions."""
    space = _of_size(config, size).where(
        *_CENTRE_CONSTRAINTS,
        f"{_CENTRE_RATIO / _CENTRE_TOLERANCE} <= mlp_attention_ratio",
        f"mlp_attention_ratio <= {_CENTRE_RATIO * _CENTRE_TOLERANCE}",
    )
    try:
        found = [c.architecture for c in space.sample(_CENTRES, seed=config.seed)]
    except (InvalidInputError, UndecidedError) as error:
        raise InvalidInputError(
            f"size {size.n_params_body} has no LLaMA-like shape within {config.tolerance:.0%} "
            f"(heads as wide as the model together, no shared KV heads, MLP twice the attention); "
            f"widen tolerance or axes: {error}"
        ) from error
    return min(
        found,
        key=lambda a: (
            abs(math.log(a.aspect_ratio / aspect_ratio))
            + abs(math.log(a.mlp_attention_ratio / _CENTRE_RATIO))
            + abs(math.log(a.n_params_body / size.n_params_body)),
            str(a),
        ),
    )


def _tokens(config: SuiteConfig, size: SizeSection, shape: Architecture) -> tuple[int, ...]:
    """Return the finished points of a shape in whole sequences."""
    seq_len = config.train.seq_len
    return tuple(
        seq_len * max(1, round(budget * shape.n_params_body / seq_len))
        for budget in config.tokens_per_param_of(size)
    )


def _repeats(config: SuiteConfig, trunks: Sequence[Trunk]) -> list[Trunk]:
    """Return each repeated trunk with further seeds: a size's centre first, then its extremes."""
    repeated: list[Trunk] = []
    for size in config.sizes:
        of_size = [t for t in trunks if t.n_params_body_asked == size.n_params_body]
        for trunk in of_size[: size.repeats]:
            repeated += [
                replace(
                    trunk,
                    name=f"{trunk.name}-s{number}",
                    seed=trunk.seed + number * _SEED_STRIDE,
                    is_repeat=True,
                )
                for number in range(1, config.repeat_seeds + 1)
            ]
    return repeated
