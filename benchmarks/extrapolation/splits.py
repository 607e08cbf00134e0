"""Cheaper rows to fit, rows 2-20 times costlier than the costliest of them to predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayeslaw.runs import RunTable

CUTS = (0.3, 0.5, 0.7)
"""Shares of a table's rows, by cost, that are fitted."""

COST_RATIOS = (2.0, 20.0)
FEWEST_FITTED = 8
FEWEST_HELD_OUT = 3


@dataclass(frozen=True)
class Split:
    """Hold what is fitted and what is predicted."""

    fit: RunTable
    heldout: RunTable

    @property
    def cost_ratios(self) -> np.ndarray:
        """Cost of each held-out row over the costliest fitted one, ``(heldout,)``."""
        return self.heldout.train_flops / self.fit.train_flops.max()


def rolling_splits(runs: RunTable) -> Iterator[Split]:
    """Cut a table by cost at each of `CUTS`; cuts with too few rows on a side are left out."""
    cost = runs.train_flops
    seen = set()
    for cut in CUTS:
        fitted = cost <= np.quantile(cost, cut, method="lower")
        ratios = cost / cost[fitted].max()
        held = (ratios >= COST_RATIOS[0]) & (ratios <= COST_RATIOS[1])
        enough = fitted.sum() >= FEWEST_FITTED and held.sum() >= FEWEST_HELD_OUT
        if enough and int(fitted.sum()) not in seen:
            seen.add(int(fitted.sum()))
            split = Split(runs.select(fitted), runs.select(held))
            assert (split.cost_ratios > 1).all(), "a held-out run is no costlier than a fitted one"
            yield split
