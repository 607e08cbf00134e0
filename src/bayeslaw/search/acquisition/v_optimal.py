"""How much a run would shrink the variance of predictions at the target: V-optimality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np

from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.conditioning import condition


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the fall in variance summed over the target, laws taken one by one.

    ``sum cov**2 / var`` (Cohn 1996, doi:10.1016/0893-6080(95)00137-9; active-sl's V-optimal baseline).
    """
    state = condition(problem, aims_of(error_of(problem)).values, taken)
    within = np.einsum("kac,kac->kc", state.covariance, state.covariance) / state.result_variance
    return np.log(np.maximum(state.shares @ within, 1e-300))


def error_of(problem: Problem) -> Problem:
    """Return the same problem with small error at the target as its goal, the same object each time."""
    if problem.goal == "error":
        return problem
    if problem not in _ERROR_OF:
        _ERROR_OF[problem] = replace(problem, goal="error")
    return _ERROR_OF[problem]


_ERROR_OF: WeakKeyDictionary[Problem, Problem] = WeakKeyDictionary()


V_OPTIMAL = Acquisition(
    name="v_optimal",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    summary="expected fall in variance at the target",
)
