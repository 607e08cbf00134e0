"""How much a run would say of the law's coefficients: Bayesian D-optimality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.conditioning import condition


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of ``0.5 log(1 + variance / noise)``, averaged over laws.

    By the matrix determinant lemma that is the growth of the log determinant of the information
    (Chaloner and Verdinelli 1995, doi:10.1214/ss/1177009939). It asks nothing of the target.
    """
    nothing = np.empty((0 if problem.log_losses is None else len(problem.log_losses), 0))
    state = condition(problem, _NO_AIMS.setdefault(len(nothing), nothing), taken)
    chosen = slice(0, problem.n_candidates)
    noise = np.maximum(state.noise_variance[chosen], 1e-18)
    growth = 0.5 * state.shares @ np.log1p(state.variance[:, chosen] / noise)
    return np.log(np.maximum(growth, 1e-15))


# `condition` knows aims by their identity; an empty one for each number of draws.
_NO_AIMS: dict[int, np.ndarray] = {}


D_OPTIMAL = Acquisition(
    name="d_optimal",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    summary="expected information about the law's coefficients",
)
