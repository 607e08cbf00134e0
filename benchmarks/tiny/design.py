"""What the regression of log loss is made of: size and tokens, factors of shape, kinds of error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.tiny.mixed import Component
from benchmarks.tiny.suite import FACTORS, Suite, one_hot, same

Base = Literal["cells", "surface_body", "surface_all"]
"""How size and tokens enter: a free mean for every size and budget, with a slope in body weights
inside a size; or a cubic surface in log N and log D, N of the body or of all weights."""

BENT = ("aspect_ratio", "mlp_attention_ratio")
"""Factors with a quadratic; the GQA group has a straight line in its logarithm."""


@dataclass(frozen=True)
class Scaled:
    """Hold a factor on a scale where the suite's lowest value is -1 and its highest 1.

    Attributes:
        low: Lowest value covered.
        high: Highest.
        values: Scaled logarithm of each point.
    """

    low: float
    high: float
    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scaled:
        """Scale positive values by their logarithm."""
        low, high = float(values.min()), float(values.max())
        if high / low < 1.15:
            return cls(low, high, np.zeros(len(values)))
        middle = np.log(values / np.sqrt(low * high))
        return cls(low, high, middle / (0.5 * np.log(high / low)))

    @property
    def varies(self) -> bool:
        """Whether there is a range at all."""
        return bool(np.ptp(self.values) > 0)

    def back(self, scaled: np.ndarray) -> np.ndarray:
        """Return the factor's own values."""
        middle, half = np.sqrt(self.low * self.high), 0.5 * np.log(self.high / self.low)
        return middle * np.exp(half * scaled)


def build_design(
    suite: Suite, base: Base, interactions: bool
) -> tuple[np.ndarray, dict[str, list[int]], dict[str, Scaled]]:
    """Return the design ``(point, column)``, the columns of each term, and each factor's scale."""
    table = suite.table
    blocks = [_base(suite, base)]
    columns: dict[str, list[int]] = {}
    scales = {name: Scaled.of(table[name]) for name in FACTORS}
    size = Scaled.of(table["n_params_body"]).values
    tokens = Scaled.of(table["n_tokens"] / table["n_params_body"]).values

    def add(name: str, block: np.ndarray) -> None:
        start = sum(b.shape[1] for b in blocks)
        blocks.append(block)
        columns[name] = list(range(start, start + block.shape[1]))

    for name, scale in scales.items():
        if not scale.varies:
            continue
        powers = [scale.values, scale.values**2] if name in BENT else [scale.values]
        block = np.column_stack(powers)
        add(name, block)
        if interactions:
            add(f"{name}:size", block * size[:, None])
            add(f"{name}:tokens", block * tokens[:, None])
    width = table["n_heads"] * table["head_dim"] / table["d_model"]
    for name, values in (("attention_width", width), ("head_dim", table["head_dim"])):
        if (scale := Scaled.of(values)).varies:
            add(name, scale.values[:, None])
    return np.concatenate(blocks, axis=1), columns, scales


def errors(suite: Suite) -> list[Component]:
    """Return the kinds of error of a suite's points."""
    budget = np.array([np.log2(suite.budgets[b]) for b in suite.budget])
    slope = budget - budget.mean()
    kinds = [
        Component("shape", same(suite.shape), 0.005),
        Component("shape_per_doubling", same(suite.shape) * np.outer(slope, slope), 0.002),
    ]
    if len(np.unique(suite.trunk)) > len(np.unique(suite.shape)):
        kinds.append(Component("seed", same(suite.trunk), 0.002))
    return [*kinds, Component("point", np.eye(len(suite)), 0.002)]


def _base(suite: Suite, base: Base) -> np.ndarray:
    log_n = np.log(suite.table["n_params_body"])
    if base == "cells":
        middle = np.array([log_n[suite.size == s].mean() for s in range(suite.n_sizes)])
        return np.column_stack([one_hot(suite.cell), log_n - middle[suite.size]])
    if base == "surface_all":
        log_n = np.log(suite.table["n_params"])
    n = (log_n - log_n.mean()) / log_n.std()
    log_d = np.log(suite.table["n_tokens"])
    d = (log_d - log_d.mean()) / log_d.std()
    return np.column_stack([n**i * d**j for i in range(4) for j in range(4 - i)])
