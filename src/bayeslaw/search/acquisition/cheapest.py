"""The cheapest candidates first: what a lab without a plan does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Acquisition, Problem


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return minus the log of each candidate's cost.

    Raises:
        InvalidInputError: Costs are unknown.
    """
    if problem.hours is None:
        raise InvalidInputError("cheapest needs a cost model: fit_cost(runs, device=...)")
    return -np.log(problem.hours)


CHEAPEST = Acquisition(
    name="cheapest",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="least cost",
)
