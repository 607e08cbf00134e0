"""Find the trade-off of two objectives over a fixed pool, one measurement at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.front_growth import expected_growth, lower_front
from bayeslaw.search.pool_kernel import PoolKernel
from bayeslaw.search.pool_surrogate import PoolSurrogate, fit_pool_surrogate

N_INITIAL = 5
"""Rows that are chosen to be unlike each other before anything is modelled."""

# The reference point lies this share of the front's range beyond its worst ends.
_BEYOND = 0.15
_N_FANTASIES = 16
# Weights of the parts before anything is known, for the first rows.
_FIRST = (1.0, 1.0, 0.05, 0.05, 0.01, 0.0)
# A row's chance to succeed: as if this many successes had been seen everywhere; a row counts for
# others as far as the smooth part calls them alike, to this power.
_SUCCESSES = 1.0
_ALIKE_POWER = 4.0


class PoolSearch:
    """Ask which row of a pool to measure next, and tell what it measured.

    For a pool at *one* scale, where no scaling law applies: trained subnets of a supernet, or finished
    architectures to be timed. Each objective is a Gaussian process over the columns; the row asked
    for is the one that is expected to push the front out most (expected hypervolume improvement, in
    closed form; Emmerich, Deutz and Klinkenberg 2011). The reference point lies a little beyond the
    worst ends of the front that is expected. The same seed and the same words, the same rows.

    >>> rng = np.random.default_rng(0)
    >>> depth, width = rng.integers(2, 9, 200), rng.integers(1, 9, 200)
    >>> search = PoolSearch({"depth": depth, "width": width})
    >>> for _ in range(12):
    ...     (row,) = search.ask()
    ...     search.tell(row, (1.0 / (depth[row] * width[row]), 1.0 * depth[row]))
    >>> len(search.front) >= 3
    True
    """

    def __init__(
        self,
        columns: Mapping[str, np.ndarray],
        *,
        objectives: Sequence[str] = ("loss", "latency_ms"),
        seed: int = 0,
    ) -> None:
        """Take a pool.

        Args:
            columns: What tells rows apart, by name: ``(row,)``, or ``(row, layer)`` with 0 where a row
                has no such layer.
            objectives: Names of the two values told, both minimised.
            seed: Of the first rows and of results still out.

        Raises:
            InvalidInputError: Columns that do not fit together, or not two objectives.
        """
        if len(objectives) != 2:
            raise InvalidInputError(
                f"a pool is searched for the trade-off of two objectives, got {list(objectives)}"
            )
        self.objectives = tuple(objectives)
        self._kernel = PoolKernel.from_columns(columns)
        self._seed = seed
        self._values: dict[int, np.ndarray] = {}
        self._failed: set[int] = set()
        self._waiting: list[int] = []

    @property
    def front(self) -> list[int]:
        """Rows told that no other row told is below in both, the first objective's best first."""
        rows = np.array(list(self._values), dtype=int)
        if not len(rows):
            return []
        values = np.stack([self._values[row] for row in rows])
        order = np.lexsort((values[:, 1], values[:, 0]))
        best = np.minimum.accumulate(values[order, 1])
        is_new = values[order, 1] < np.concatenate([[np.inf], best[:-1]])
        return rows[order[is_new]].tolist()

    @property
    def waiting(self) -> list[int]:
        """Rows asked for or announced whose result is still out."""
        return list(self._waiting)

    def tell(self, row: int, values: Sequence[float] | None) -> None:
        """Say what a row measured, or None when it failed; it need not have been asked for.

        Raises:
            InvalidInputError: No such row, told before, or values that are not two finite numbers.
        """
        self._check(row)
        if values is not None and (len(values) != 2 or not np.isfinite(values).all()):
            raise InvalidInputError(
                f"tell {' and '.join(self.objectives)} as finite numbers, or None for a row that "
                f"failed; got {list(values)} for row {row}"
            )
        if row in self._waiting:
            self._waiting.remove(row)
        if values is None:
            self._failed.add(row)
        else:
            self._values[row] = np.array(values, dtype=float)

    def wait(self, row: int) -> None:
        """Say that a row is being measured though it was not asked for.

        Raises:
            InvalidInputError: No such row, or it was told before.
        """
        self._check(row)
        if row not in self._waiting:
            self._waiting.append(row)

    def ask(self, n: int = 1) -> list[int]:
        """Return rows worth measuring, each as if those before it were under way.

        Fewer than n where the pool has no more.

        Raises:
            InvalidInputError: n is below 1, or every row was told or is under way.
        """
        if n < 1:
            raise InvalidInputError(f"n must be at least 1 row, got {n}")
        n_open = len(self._kernel) - len(self._values) - len(self._failed) - len(self._waiting)
        if not n_open:
            raise InvalidInputError(
                f"all {len(self._kernel)} rows are measured or under way; there is nothing to ask"
            )
        asked: list[int] = []
        surrogates = self._fit() if len(self._values) >= N_INITIAL else None
        for _ in range(min(n, n_open)):
            score = self._unlike() if surrogates is None else self._worth(*surrogates)
            score[[*self._values, *self._failed, *self._waiting]] = -np.inf
            row = int(np.argmax(score))
            asked.append(row)
            self._waiting.append(row)
        return asked

    def worth(self) -> np.ndarray:
        """Return by how much each row is expected to push the front out, ``(row,)``.

        In the product of the objectives' units; times the row's chance not to fail, and as if rows under way
        were done.

        Raises:
            InvalidInputError: Too few rows were told.
        """
        return self._worth(*self._fit())

    def success(self) -> np.ndarray:
        """Return each row's chance not to fail, from what failed and succeeded near it ``(row,)``."""
        if not self._failed:
            return np.ones(len(self._kernel))
        good = self._kernel.between(np.array(list(self._values), dtype=int))[-1] ** _ALIKE_POWER
        bad = self._kernel.between(np.array(sorted(self._failed)))[-1] ** _ALIKE_POWER
        successes = _SUCCESSES + good.sum(axis=0)
        return successes / (successes + bad.sum(axis=0))

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations of every row, ``(row, objective)`` each.

        Raises:
            InvalidInputError: Too few rows were told.
        """
        found = self._fit()
        return np.stack([s.mean for s in found], axis=1), np.stack([s.sd for s in found], axis=1)

    def _fit(self) -> tuple[PoolSurrogate, PoolSurrogate]:
        if len(self._values) < N_INITIAL:
            raise InvalidInputError(
                f"predictions need {N_INITIAL} rows told, got {len(self._values)}; ask for more"
            )
        rows = np.array(list(self._values))
        values = np.stack(list(self._values.values()))
        first, second = (fit_pool_surrogate(self._kernel, rows, values[:, k]) for k in (0, 1))
        return first, second

    def _unlike(self) -> np.ndarray:
        """Return how little the rows so far tell of each row, over a random half of the pool.

        The greedy D-optimal choice under the prior (Chaloner and Verdinelli 1995); halves make
        seeds differ.
        """
        known = [*self._values, *self._failed, *self._waiting]
        variance = np.tensordot(_FIRST, self._kernel.variance(), axes=1)
        if known:
            rows = np.array(known)
            cross = np.tensordot(_FIRST, self._kernel.between(rows), axes=1)
            among = cross[:, rows] + 0.01 * np.eye(len(rows))
            variance = variance - (cross * np.linalg.solve(among, cross)).sum(axis=0)
        rng = np.random.default_rng([self._seed, len(known)])
        return np.where(rng.random(len(variance)) < 0.5, variance, variance - variance.max())

    def _worth(self, first: PoolSurrogate, second: PoolSurrogate) -> np.ndarray:
        """Return the expected growth of the front times the chance of success ``(row,)``."""
        mean = np.stack([first.mean, second.mean], axis=1)
        sd = np.stack([first.sd, second.sd], axis=1)
        expected = lower_front(mean)
        worst, best = expected.max(axis=0), expected.min(axis=0)
        reference = worst + _BEYOND * np.where(worst > best, worst - best, np.abs(worst) + 1.0)
        known = np.stack(list(self._values.values()))
        if not self._waiting:
            return expected_growth(mean, sd, known, reference) * self.success()
        rows = np.array(self._waiting)
        # What is out is imagined; a row's own result is left as uncertain as it will then be.
        rng = np.random.default_rng([self._seed, len(self._values), len(rows)])
        means, sds = [], []
        for surrogate, middle in ((first, mean[:, 0]), (second, mean[:, 1])):
            cross = surrogate.covariance(rows)
            lower = np.linalg.cholesky(cross[:, rows] + 1e-9 * np.diag(cross[:, rows].diagonal()))
            gain = np.linalg.solve(lower, cross)
            normals = rng.standard_normal((_N_FANTASIES // 2, len(rows)))
            normals = np.concatenate([normals, -normals])
            means.append(middle + normals @ gain)
            sds.append(np.sqrt(np.maximum(surrogate.sd**2 - (gain**2).sum(axis=0), 0.0)))
        imagined = np.stack(means, axis=2)
        left = np.stack(sds, axis=1)
        growth = [
            expected_growth(after, left, np.concatenate([known, after[rows]]), reference)
            for after in imagined
        ]
        return np.mean(growth, axis=0) * self.success()

    def _check(self, row: int) -> None:
        if not 0 <= row < len(self._kernel):
            raise InvalidInputError(f"the pool has rows 0 to {len(self._kernel) - 1}, got {row}")
        if row in self._values or row in self._failed:
            raise InvalidInputError(f"row {row} was told before; a result is never changed")
