"""Candidates by chance: what any other acquisition must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.problem import Acquisition, Problem


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return uniform numbers, others after each choice, the same for the same seed."""
    rng = np.random.default_rng([problem.seed, len(taken)])
    return rng.random(problem.n_candidates)


RANDOM = Acquisition(
    name="random",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="by chance",
)
