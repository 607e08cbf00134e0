"""One lab's way through a pool: buy runs, learn, buy more, and predict at every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.fit import MIN_RUNS
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.search.acquisition import Acquisition, Problem
from bayeslaw.search.acquisition.sobol import SOBOL
from bayeslaw.search.portfolio import choose_runs
from benchmarks.scalebench.beliefs import Beliefs, fit_beliefs, pose, predict
from benchmarks.scalebench.tables import Group

GROWTH = 1.0
"""Runs bought between two fits at most, as a share of those there."""

FIRST_SHARE = 0.25
"""Of the first budget that goes to the runs before any fit."""

# What is left of a budget below this share of it buys nothing worth another fit.
_REST = 0.01


@dataclass(frozen=True)
class Method:
    """Say how runs are chosen and what is fitted.

    Attributes:
        acquisition: Of the runs after the first.
        plans: Whether it looks at beliefs: else runs are bought down one list, made beforehand.
        discrepancy: Whether the draws it sees carry the laws' own error.
    """

    acquisition: Acquisition
    plans: bool = True
    discrepancy: bool = True


@dataclass(frozen=True)
class Forecast:
    """Hold a prediction of a group's target.

    Attributes:
        mean: Expected losses ``(target,)``; None where the budget affords no run at all.
        low: Lower ends of the 90 % intervals of one more run ``(target,)``.
        high: Upper ends.
        n_runs: Runs bought.
        spent: Share of the pool's cost.
    """

    mean: np.ndarray | None
    low: np.ndarray | None
    high: np.ndarray | None
    n_runs: int
    spent: float


class Lab:
    """Buy runs of one group and learn from them; the one thing here with state.

    Args:
        group: Its pool; target losses are never read here.
        laws: To fit.
        method: How to choose.
        seed: Of first runs, fits and draws.
        shift_nats: Added to losses before a fit, and taken off predictions.
    """

    def __init__(
        self,
        group: Group,
        laws: Sequence[LossLaw],
        method: Method,
        *,
        seed: int,
        shift_nats: float = 0.0,
    ) -> None:
        self.group, self.laws, self.method = group, tuple(laws), method
        self.seed, self.shift_nats = seed, shift_nats
        self.bought: list[int] = []
        self._beliefs: tuple[int, Beliefs] | None = None
        self._order: np.ndarray | None = None

    @property
    def spent(self) -> float:
        """Cost of all runs bought."""
        return float(self.group.cost[self.bought].sum())

    def spend_up_to(self, budget: float) -> None:
        """Buy runs until the next would exceed the budget, or what is left is not worth a fit."""
        if not self.method.plans:
            self._buy_in_order(budget)
            return
        stage = budget - self.spent
        if len(self.bought) < MIN_RUNS:
            self._buy_first(stage)
        while budget - self.spent > _REST * stage:
            n_before = len(self.bought)
            if n_before < MIN_RUNS:
                return
            n_runs = max(1, round(GROWTH * n_before))
            self._buy(self.method.acquisition, self.beliefs(), budget - self.spent, n_runs)
            if len(self.bought) == n_before:
                return

    def beliefs(self) -> Beliefs:
        """Return what the runs bought say, fitted once for each set of them."""
        if self._beliefs is None or self._beliefs[0] != len(self.bought):
            columns = {name: values[self.bought] for name, values in self.group.pool.items()}
            losses = self.group.pool_losses[self.bought] + self.shift_nats
            found = fit_beliefs(self.laws, columns, losses, seed=self.seed)
            self._beliefs = (len(self.bought), found)
        return self._beliefs[1]

    def forecast(self) -> Forecast:
        """Predict the target from the runs bought.

        Of fewer runs than a law can be fitted to, the prediction is their mean loss, give or take
        a quarter.
        """
        n_runs, spent = len(self.bought), self.spent / float(self.group.cost.sum())
        if not n_runs:
            return Forecast(None, None, None, 0, 0.0)
        if n_runs < MIN_RUNS:
            n_target = len(self.group.target_losses)
            mean = np.full(n_target, self.group.pool_losses[self.bought].mean() + self.shift_nats)
            low, high = 0.75 * mean, 1.25 * mean
        else:
            mean, low, high = predict(self.beliefs(), self.group.target, seed=self.seed)
        shift = self.shift_nats
        return Forecast(mean - shift, low - shift, high - shift, n_runs, spent)

    def _buy_first(self, stage: float) -> None:
        """Buy runs that are spread over the inputs, as many as the largest law has coefficients."""
        n_wanted, limit = max(len(law.coefficients) for law in self.laws), self.spent + stage
        for budget in (self.spent + FIRST_SHARE * stage, limit):
            if len(self.bought) < n_wanted:
                self._buy(SOBOL, None, budget - self.spent, n_wanted - len(self.bought))

    def _buy_in_order(self, budget: float) -> None:
        """Buy down one list, made before the first run, until the next exceeds the budget."""
        if self._order is None:
            is_open = np.full(len(self.group.cost), True)
            self._order = np.argsort(-self.method.acquisition.score(self._pose(None, is_open), ()))
        for row in self._order[len(self.bought) :]:
            if self.spent + self.group.cost[row] > budget:
                return
            self.bought.append(int(row))

    def _buy(self, way: Acquisition, beliefs: Beliefs | None, budget: float, n_runs: int) -> None:
        is_open = self.group.cost <= budget
        is_open[self.bought] = False
        if not is_open.any():
            return
        problem = self._pose(beliefs, is_open)
        chosen = choose_runs(way, problem, budget_hours=budget, n_runs=n_runs)
        rows = np.flatnonzero(is_open)
        self.bought += [int(rows[row]) for row in chosen.rows]

    def _pose(self, beliefs: Beliefs | None, is_open: np.ndarray) -> Problem:
        return pose(
            beliefs,
            self.group.pool,
            self.group.target,
            self.group.cost,
            is_open,
            self.bought,
            seed=self.seed,
            discrepancy=self.method.discrepancy,
        )
