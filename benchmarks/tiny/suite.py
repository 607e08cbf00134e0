"""A suite's table as the statistics see it: points, trunks, shapes, sizes and budgets."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import RunTable
from bayeslaw.runs.columns import ARCHITECTURE_FIELDS

FACTORS = ("aspect_ratio", "mlp_attention_ratio", "gqa_group")
"""Columns whose effect is asked about."""

# Sizes of a suite are apart by a factor of 1.7 and members of one size within 8 %.
_SIZE_GAP = math.log(1.25)
_NEEDED = (*ARCHITECTURE_FIELDS[:6], *FACTORS, "n_params", "n_params_body", "n_tokens")


@dataclass(frozen=True)
class Suite:
    """Hold the points of a suite; every array is ``(point,)``.

    Attributes:
        table: The runs.
        log_loss: Of ``loss_nats``.
        trunk: Number of the training job; points of one trunk share weights and text.
        shape: Number of the architecture; trunks of one shape differ by their seed alone.
        size: Number of the size class, smallest first.
        budget: Number of the tokens per body weight, smallest first.
        budgets: Tokens per body weight of each budget, rounded.
    """

    table: RunTable
    log_loss: np.ndarray
    trunk: np.ndarray
    shape: np.ndarray
    size: np.ndarray
    budget: np.ndarray
    budgets: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.log_loss)

    @classmethod
    def of(cls, table: RunTable) -> Suite:
        """Find trunks, shapes, size classes and budgets in a table.

        Raises:
            InvalidInputError: The table does not say which trunk a run belongs to, lacks a
                column, or has fewer than two sizes.
        """
        if not table.trunks:
            raise InvalidInputError(
                "the table does not say which trunk a run branched from; a suite's parquet has a "
                "text column 'trunk'"
            )
        if missing := [name for name in _NEEDED if name not in table]:
            raise InvalidInputError(f"a suite's table needs columns {missing}, which are missing")
        shapes = zip(*(table[n] for n in ARCHITECTURE_FIELDS if n in table), strict=True)
        log_n = np.log(table["n_params_body"])
        order = np.argsort(log_n, kind="stable")
        size = np.empty(len(table), int)
        size[order] = np.cumsum(np.diff(log_n[order], prepend=log_n[order[0]]) > _SIZE_GAP)
        if size.max() == 0:
            raise InvalidInputError(
                f"all runs have about {np.exp(log_n.mean()):.3g} body weights; a suite has at "
                f"least two sizes, a factor of 1.25 apart"
            )
        per_param = table["n_tokens"] / table["n_params_body"]
        # A budget is met in whole sequences and steps, so levels are a tenth of an octave wide.
        levels = np.round(np.log2(per_param) * 5) / 5
        budgets, budget = np.unique(levels, return_inverse=True)
        return cls(
            table=table,
            log_loss=np.log(table["loss_nats"]),
            trunk=_numbered(table.trunks),
            shape=_numbered(list(shapes)),
            size=size,
            budget=budget,
            budgets=tuple(
                float(f"{np.median(per_param[budget == b]):.2g}") for b in range(len(budgets))
            ),
        )

    def select(self, rows: np.ndarray) -> Suite:
        """Return the suite of some rows; sizes and budgets keep their numbers."""
        index = np.arange(len(self))[rows]
        return Suite(
            table=self.table.select(index),
            log_loss=self.log_loss[index],
            trunk=self.trunk[index],
            shape=self.shape[index],
            size=self.size[index],
            budget=self.budget[index],
            budgets=self.budgets,
        )

    @property
    def n_sizes(self) -> int:
        """Size classes [count]."""
        return int(self.size.max()) + 1

    @property
    def cell(self) -> np.ndarray:
        """Number of the (size, budget) cell of each point."""
        return np.unique(self.size * len(self.budgets) + self.budget, return_inverse=True)[1]

    @property
    def loss_scale(self) -> float:
        """Geometric mean loss [nats]: what turns small differences of log loss into nats."""
        return float(np.exp(self.log_loss.mean()))

    def size_label(self, size: int) -> str:
        """Return a size class by its geometric mean body weights, such as ``48k``."""
        mean = np.exp(np.log(self.table["n_params_body"][self.size == size]).mean())
        return f"{mean / 1e6:.3g}M" if mean >= 1e6 else f"{mean / 1e3:.3g}k"


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Return ``(point, label)`` indicators of the labels that occur."""
    return (labels[:, None] == np.unique(labels)[None]).astype(float)


def same(labels: np.ndarray) -> np.ndarray:
    """Return ``(point, point)``: 1 where two points have one label."""
    return (labels[:, None] == labels[None]).astype(float)


def _numbered(labels: Sequence[Hashable]) -> np.ndarray:
    """Return the number of each label, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels])
