"""The criterion of active-sl: expected fall of the mean squared prediction error at the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.acquisition.target_lookahead import error_removed
from bayeslaw.search.acquisition.v_optimal import error_of
from bayeslaw.search.conditioning import condition

COST_POWER = 0.4
"""Of the cost that the criterion is divided by, as published."""


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the fall within modes plus that of the disagreement between them.

    Source:
        arXiv:2604.22753, section 4. There modes are basins of one law, normal around their
        least-squares fits; here they are laws. The full likelihood reweighs them. Give it a
        problem whose draws leave the laws' own error out, as theirs do.
    """
    state = condition(problem, aims_of(error_of(problem)).values, taken)
    return np.log(np.maximum(error_removed(state, eta=1.0), 1e-300))


MSPE = Acquisition(
    name="mspe",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    summary="expected fall of the squared error at the target (active-sl)",
    cost_powers=(COST_POWER,),
)
