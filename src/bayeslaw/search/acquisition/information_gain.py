"""How much a run would say of the target's losses, in nats: the expected information gain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.conditioning import Conditioned, condition

# The target's losses are known no better than this share of their leading variance: draws are few,
# and a covariance of draws is singular.
_SMALLEST_SHARE = 1e-4


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the mutual information between a run's result and the aims.

    ``0.5 log(var y / var(y | aims))``, within laws and averaged over them (Lindley 1956,
    doi:10.1214/aoms/1177728069; normal by `condition`).
    """
    state = condition(problem, aims_of(problem).values, taken)
    return np.log(np.maximum(information(state), 1e-15))


def information(state: Conditioned) -> np.ndarray:
    """Return the information about the aims in nats ``(candidate,)``."""
    total = np.zeros(state.n_candidates)
    for k, share in enumerate(state.shares):
        aims = state._aims[k]
        between = aims.T @ aims / len(aims) - np.einsum(
            "ra,rb->ab", state.taught[:, k], state.taught[:, k]
        )
        values, vectors = np.linalg.eigh(between)
        kept = values > _SMALLEST_SHARE * max(values[-1], 1e-300)
        lines = (vectors[:, kept] / np.sqrt(values[kept])).T @ state.covariance[k]
        variance = state.result_variance[k]
        explained = np.minimum(
            (lines**2).sum(axis=0), variance - state.noise_variance[: len(variance)]
        )
        total += share * -0.5 * np.log1p(-np.maximum(explained, 0.0) / variance)
    return total


INFORMATION_GAIN = Acquisition(
    name="information_gain",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    summary="expected information about the target",
)
