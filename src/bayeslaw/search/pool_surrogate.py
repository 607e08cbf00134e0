"""What is believed about one objective over a fixed pool, given some of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from bayeslaw.search.pool_kernel import PARTS, PoolKernel

# Median of each part's share of the variance and of what is a row's own, and the standard deviation of
# its logarithm. Totals explain most; the rest is learnt.
_SHARES = {
    "level": 1.0,
    "totals": 1.0,
    "bends": 0.05,
    "by_layer": 0.05,
    "each_layer": 0.01,
    "smooth": 0.02,
}
_OWN_SHARE = 0.005
_LOG_SD = 1.5


@dataclass(frozen=True)
class PoolSurrogate:
    """Hold a Gaussian process over the pool; build it with `fit_pool_surrogate`.

    Attributes:
        mean: Expected value of every row, in the objective's units ``(row,)``.
        sd: Of every row's value, what is the row's own included ``(row,)``; 0 where it is known.
        weights: Variance that each part and, last, a row's own deviation explain, in units of the
            values' variance.
    """

    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray
    _kernel: PoolKernel
    _known: np.ndarray
    _unit: float
    _solved: tuple[np.ndarray, bool]

    def covariance(self, rows: np.ndarray) -> np.ndarray:
        """Return the covariance of some rows' values with every row's, ``(some, row)``."""
        prior = np.tensordot(self.weights[:-1], self._kernel.between(rows), axes=1)
        prior[np.arange(len(rows)), rows] += self.weights[-1]
        with_known = np.tensordot(self.weights[:-1], self._kernel.between(self._known), axes=1)
        with_known[np.arange(len(self._known)), self._known] += self.weights[-1]
        explained = with_known[:, rows].T @ cho_solve(self._solved, with_known)
        return (prior - explained) * self._unit**2


def fit_pool_surrogate(kernel: PoolKernel, rows: np.ndarray, values: np.ndarray) -> PoolSurrogate:
    """Fit the parts' weights by their posterior mode, and condition on what is known.

    Weights have independent log-normal priors; the likelihood is the Gaussian evidence (Rasmussen
    and Williams 2006, eq. 2.30).

    Args:
        kernel: Of the pool.
        rows: Known rows, each once ``(known,)``.
        values: Of them ``(known,)``.
    """
    centre = float(values.mean())
    unit = float(values.std()) or max(abs(centre), 1.0)
    y = (values - centre) / unit
    among = kernel.between(rows, rows)
    among = np.concatenate([among, np.eye(len(rows))[None]])
    middle = np.log(np.array([*(_SHARES[part] for part in PARTS), _OWN_SHARE]))

    def off(log_weights: np.ndarray) -> tuple[float, np.ndarray]:
        weights = np.exp(log_weights)
        solved = cho_factor(
            np.tensordot(weights, among, axes=1) + 1e-9 * np.eye(len(y)), lower=True
        )
        alpha = cho_solve(solved, y)
        inverse = cho_solve(solved, np.eye(len(y)))
        away = (log_weights - middle) / _LOG_SD
        value = 0.5 * y @ alpha + np.log(np.diag(solved[0])).sum() + 0.5 * away @ away
        inner = np.einsum("pij,ij->p", among, inverse - np.outer(alpha, alpha))
        return float(value), 0.5 * weights * inner + away / _LOG_SD

    bounds = [(m - 8.0, m + 8.0) for m in middle]
    weights = np.exp(minimize(off, middle, jac=True, method="L-BFGS-B", bounds=bounds).x)
    covariance = np.tensordot(weights, among, axes=1) + 1e-9 * np.eye(len(y))
    solved = cho_factor(covariance, lower=True)
    cross = np.tensordot(weights[:-1], kernel.between(rows), axes=1)
    mean = cross.T @ cho_solve(solved, y)
    half = np.linalg.solve(np.tril(solved[0]), cross)
    variance = weights[:-1] @ kernel.variance() - (half**2).sum(axis=0) + weights[-1]
    sd = np.sqrt(np.maximum(variance, 1e-12))
    mean, sd = centre + unit * mean, unit * sd
    mean[rows], sd[rows] = values, 0.0
    return PoolSurrogate(mean, sd, weights, kernel, rows, unit, solved)
