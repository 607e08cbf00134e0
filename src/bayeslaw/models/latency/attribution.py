"""Where a gain over a baseline comes from: fewer KV heads, other widths, fewer layers, the rest.

The candidate is taken over one group of choices at a time. What a group brings alone is read off
the baseline with that group changed; what it brings of the whole is its Shapley value, the mean
over all orders in which groups can be taken over (Shapley 1953), of the log ratio of latencies. The
values add up to the whole exactly, in every draw. All networks are drawn jointly, so that what they
share, such as the bandwidth, cancels: intervals are those of differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial
from typing import Literal

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.prediction import quantile_names
from bayeslaw.models.latency.surrogate import LatencySurrogate
from bayeslaw.models.notes import Note
from bayeslaw.space import Architecture, Workload

ServedFigure = Literal["ttft_ms", "tpot_ms", "e2el_ms"]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "gqa": ("n_kv_heads",),
    "width": ("d_model", "n_heads", "head_dim", "d_ff", "gated_mlp"),
    "depth": ("n_layers",),
    "other": ("vocab_size", "tied_embeddings", "qk_norm", "post_norm"),
}
"""Choices that are taken over together."""

_FIGURES = ("ttft_ms", "tpot_ms", "e2el_ms")


@dataclass(frozen=True)
class GainAttribution:
    """Hold a gain and its parts, as ratios of latency: 0.8 is a fifth faster.

    Attributes:
        figure: Whose latency.
        ratio: Candidate over baseline, by quantile name.
        alone: Group to the ratio when it alone is taken over, by quantile name.
        shapley: Group to the factor that is its Shapley value, by quantile name.
        log_ratio_draws: Log of candidate over baseline ``(draw,)``.
        log_shapley_draws: Group to its part of that ``(draw,)``; parts add up in every draw.
        hybrids: Groups taken over, to the network that was asked about.
        notes: What could not be taken over as it is.
    """

    figure: ServedFigure
    ratio: Mapping[str, float]
    alone: Mapping[str, Mapping[str, float]]
    shapley: Mapping[str, Mapping[str, float]]
    log_ratio_draws: np.ndarray
    log_shapley_draws: Mapping[str, np.ndarray]
    hybrids: Mapping[frozenset[str], Architecture]
    notes: tuple[Note, ...]


def attribute_gain(
    surrogate: LatencySurrogate,
    baseline: Architecture,
    candidate: Architecture,
    workload: Workload,
    figure: ServedFigure = "tpot_ms",
    *,
    level: float = 0.9,
    n_draws: int = 512,
    seed: int = 0,
) -> GainAttribution:
    """Split the log ratio of two latencies over the groups of choices in which networks differ.

    Where KV heads of one do not divide the heads of the other, the nearest number that does stands
    in, and a note says so.

    Args:
        surrogate: Of the device and engine.
        baseline: What is replaced.
        candidate: What replaces it.
        workload: What both serve.
        figure: Whose gain.
        level: Probability between the outer quantiles.
        n_draws: Joint draws.
        seed: The same seed, the same attribution.

    Raises:
        InvalidInputError: Both are the same, or an unknown figure, level or workload.
    """
    if figure not in _FIGURES:
        raise InvalidInputError(f"figure must be one of {_FIGURES}, got {figure!r}")
    if not 0 < level < 1:
        raise InvalidInputError(f"level must be between 0 and 1, got {level}")
    if baseline == candidate:
        raise InvalidInputError(f"baseline and candidate are both {baseline}; there is no gain")
    groups = tuple(
        name
        for name, fields in GROUPS.items()
        if any(getattr(baseline, field) != getattr(candidate, field) for field in fields)
    )
    hybrids = {taken: hybrid(baseline, candidate, taken) for taken in _subsets(groups)}
    drawn = surrogate.draw(list(hybrids.values()), workload, n_draws, seed)[figure]
    logs = {taken: np.log(drawn[:, k]) for k, taken in enumerate(hybrids)}
    split = shapley_values(logs, groups)
    start = logs[frozenset()]
    whole = logs[frozenset(groups)] - start
    return GainAttribution(
        figure,
        _bands(whole, level),
        {name: _bands(logs[frozenset({name})] - start, level) for name in groups},
        {name: _bands(values, level) for name, values in split.items()},
        whole,
        split,
        hybrids,
        _rounding_notes(baseline, candidate, hybrids),
    )


def hybrid(baseline: Architecture, candidate: Architecture, taken: frozenset[str]) -> Architecture:
    """Return the baseline with some groups of the candidate's choices; KV heads divide its heads.

    >>> old = Architecture(4, 256, 8, 8, 32, 1024, 256)
    >>> new = Architecture(2, 192, 6, 2, 32, 768, 256)
    >>> str(hybrid(old, new, frozenset({"gqa"}))), str(hybrid(old, new, frozenset({"width"})))
    ('L4 d256 h8/2x32 ff1024', 'L4 d192 h6/6x32 ff768')
    """
    changes = {field: getattr(candidate, field) for name in taken for field in GROUPS[name]}
    heads = changes.get("n_heads", baseline.n_heads)
    wanted = changes.get("n_kv_heads", baseline.n_kv_heads)
    divisors = [n for n in range(1, heads + 1) if heads % n == 0]
    nearest = min(divisors, key=lambda n: (abs(np.log(n / wanted)), -n))
    return replace(baseline, **{**changes, "n_kv_heads": nearest})


def shapley_values(
    values: Mapping[frozenset[str], np.ndarray], groups: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return each group's Shapley value, of the values of every subset of groups.

    >>> value = {frozenset(s): np.array(float(len(s)) ** 2) for s in ("", "a", "b", "ab")}
    >>> {name: float(v) for name, v in shapley_values(value, ("a", "b")).items()}
    {'a': 2.0, 'b': 2.0}
    """
    n = len(groups)
    found = {}
    for name in groups:
        others = tuple(other for other in groups if other != name)
        found[name] = sum(
            (values[taken | {name}] - values[taken])
            * (factorial(len(taken)) * factorial(n - 1 - len(taken)) / factorial(n))
            for taken in _subsets(others)
        )
    return found


def _subsets(groups: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(c) for size in range(len(groups) + 1) for c in combinations(groups, size)]


def _bands(log_ratios: np.ndarray, level: float) -> dict[str, float]:
    tails = quantile_names(level)
    found = np.exp(np.quantile(log_ratios, list(tails.values())))
    return dict(zip(tails, found.tolist(), strict=True))


def _rounding_notes(
    baseline: Architecture,
    candidate: Architecture,
    hybrids: Mapping[frozenset[str], Architecture],
) -> tuple[Note, ...]:
    notes = []
    for taken, network in hybrids.items():
        wanted = (candidate if "gqa" in taken else baseline).n_kv_heads
        if network.n_kv_heads != wanted:
            notes.append(
                Note(
                    "kv_heads_rounded",
                    "info",
                    f"{wanted} KV heads do not divide {network.n_heads} heads: with "
                    f"{', '.join(sorted(taken))} taken over, {network.n_kv_heads} stand in",
                )
            )
    return tuple(notes)
