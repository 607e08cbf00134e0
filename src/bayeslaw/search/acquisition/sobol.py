"""Candidates nearest to a Sobol sequence over size, tokens and shape."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.stats import qmc

from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.acquisition.space_filling import unit_features


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return minus the distance to the sequence's next point; runs done and pending count as taken.

    Scrambled by the problem's seed (Owen 1998, doi:10.1145/272991.273010).
    """
    features = unit_features(problem)[: problem.n_candidates]
    place = problem.n_done + problem.n_pending + len(taken)
    point = _point(features.shape[1], place, problem.seed)
    return -np.linalg.norm(features - point, axis=1)


@lru_cache(maxsize=256)
def _point(n_features: int, place: int, seed: int) -> np.ndarray:
    if not n_features:
        return np.zeros(0)
    sequence = qmc.Sobol(n_features, rng=seed)
    if place:
        sequence.fast_forward(place)
    return sequence.random(1)[0]


SOBOL = Acquisition(
    name="sobol",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="along a Sobol sequence over size, tokens and shape",
)
