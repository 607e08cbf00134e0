"""How alike the rows of a fixed pool are taken to be: sums of linear parts and one smooth part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError

PARTS = ("level", "totals", "bends", "by_layer", "each_layer", "smooth")
"""A constant; linear in scalars and in sums over layers; their diminishing returns; linear with
coefficients that change slowly from layer to layer; with coefficients of each layer's own; a smooth
function of the totals."""

# Neighbouring layers within about this many count alike.
_LAYERS_ALIKE = 3.0
# Of the smooth part, in standard deviations of each total.
_LENGTH = 2.0
_MAX_LEVELS = 8


@dataclass(frozen=True)
class PoolKernel:
    """Hold the rows' features; build it with `from_columns`.

    Every part has mean variance 1 over the pool, so a part's weight is the variance that it
    explains.

    Attributes:
        totals: Scalars and sums over layers, standardised ``(row, total)``.
        factors: Of each linear part in `PARTS`, ``K = factor factor'`` ``(row, feature)``.
    """

    totals: np.ndarray
    factors: tuple[np.ndarray, ...]

    @classmethod
    def from_columns(cls, columns: Mapping[str, np.ndarray]) -> PoolKernel:
        """Build features of every row.

        A column ``(row,)`` is a scalar. A column ``(row, layer)`` has a value for each layer, 0 where a row
        has no such layer; it counts as it is and as log2, because returns diminish.

        Raises:
            InvalidInputError: There are no columns, they differ in length, are not finite, have more than
                two dimensions, or none varies.
        """
        if not columns:
            raise InvalidInputError("a pool needs columns that tell its rows apart, got none")
        arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in arrays.items()}
        if len(set(lengths.values())) != 1:
            raise InvalidInputError(f"columns must have a value for every row, got {lengths}")
        scalars, bent, layers, bent_layers = [], [], [], []
        for name, values in arrays.items():
            if values.ndim not in (1, 2) or not np.isfinite(values).all():
                raise InvalidInputError(
                    f"column {name!r} must be finite, (row,) or (row, layer), got {values.shape}"
                )
            if values.ndim == 1:
                scalars.append(values)
                bent += _levels(values)
            else:
                layers.append(values)
                bent_layers.append(_bend(values))
                bent.append(bent_layers[-1].sum(axis=1))
        totals = _standardised(np.stack([*scalars, *(x.sum(axis=1) for x in layers)], axis=1))
        if not totals.shape[1]:
            raise InvalidInputError(f"no column of {sorted(columns)} varies over the pool")
        nothing = np.zeros((len(totals), 0))
        slow = [
            _standardised(x, keep=True) @ np.linalg.cholesky(_alike(x.shape[1])) for x in layers
        ]
        each = [_standardised(x) for x in (*layers, *bent_layers)]
        bends = _standardised(np.stack(bent, axis=1)) if bent else nothing
        factors = (
            np.ones((len(totals), 1)),
            totals,
            bends,
            np.concatenate([nothing, *slow], axis=1),
            np.concatenate([nothing, *each], axis=1),
        )
        return cls(totals, tuple(_of_unit_variance(factor) for factor in factors))

    def __len__(self) -> int:
        """Count rows."""
        return len(self.totals)

    def between(self, rows: np.ndarray, others: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return each part's covariance of some rows with others, ``(part, row, other)``."""
        linear = [factor[rows] @ factor[others].T for factor in self.factors]
        some, far = self.totals[rows], self.totals[others]
        squared = (some**2).sum(1)[:, None] + (far**2).sum(1) - 2 * some @ far.T
        smooth = np.exp(-0.5 * np.maximum(squared, 0.0) / (_LENGTH**2 * self.totals.shape[1]))
        return np.stack([*linear, smooth])

    def variance(self) -> np.ndarray:
        """Return each part's variance of every row, ``(part, row)``."""
        linear = [(factor**2).sum(axis=1) for factor in self.factors]
        return np.stack([*linear, np.ones(len(self))])


def _standardised(values: np.ndarray, *, keep: bool = False) -> np.ndarray:
    """Return columns of mean 0 and deviation 1; those that never vary are left out or 0."""
    deviation = values.std(axis=0)
    varies = deviation > 1e-12
    scaled = (values - values.mean(axis=0)) / np.where(varies, deviation, 1.0)
    return scaled * varies if keep else scaled[:, varies]


def _of_unit_variance(factor: np.ndarray) -> np.ndarray:
    variance = (factor**2).sum(axis=1).mean() if factor.size else 0.0
    return factor / np.sqrt(variance) if variance > 0 else factor


def _levels(values: np.ndarray) -> list[np.ndarray]:
    """Return indicators of a scalar's inner values where it has but a few."""
    found = np.unique(values)
    if not 3 <= len(found) <= _MAX_LEVELS:
        return []
    return [(values == level).astype(float) for level in found[1:-1]]


def _bend(values: np.ndarray) -> np.ndarray:
    """Return what log2 of the values has that a straight line through them has not, 0 where absent."""
    is_there = values > 0
    if (values < 0).any() or len(np.unique(values[is_there])) < 3:
        return np.zeros_like(values)
    x = values[is_there]
    line = np.polyfit(x, np.log2(x), 1)
    found = np.zeros_like(values)
    found[is_there] = np.log2(x) - np.polyval(line, x)
    return found


def _alike(n_layers: int) -> np.ndarray:
    places = np.arange(n_layers)
    distance = (places[:, None] - places) / _LAYERS_ALIKE
    return np.exp(-0.5 * distance**2) + 1e-6 * np.eye(n_layers)
