"""Runs far from each other in shape, size and tokens: what a first set should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.search.acquisition.problem import Acquisition, Problem


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return each candidate's distance to the nearest run done, pending or chosen (maximin).

    Features are scaled to the pool's own range, so every one that varies counts alike; the first
    run of all is the one nearest to the middle. Johnson, Moore and Ylvisaker 1990,
    doi:10.1016/0378-3758(90)90122-B.
    """
    scaled = unit_features(problem)
    candidates = scaled[: problem.n_candidates]
    seen = [*problem.done, *problem.pending, *taken]
    if not seen:
        return -np.linalg.norm(candidates - 0.5, axis=1)
    return np.linalg.norm(candidates[:, None] - scaled[seen][None], axis=2).min(axis=1)


def unit_features(problem: Problem) -> np.ndarray:
    """Return features scaled to 0..1 over the candidates, those that never vary left out."""
    candidates = problem.features[: problem.n_candidates]
    low, high = candidates.min(axis=0), candidates.max(axis=0)
    varies = high - low > 1e-9
    return (problem.features[:, varies] - low[varies]) / (high[varies] - low[varies])


SPACE_FILLING = Acquisition(
    name="space_filling",
    score=score,
    is_per_hour=False,
    needs_beliefs=False,
    summary="far from every run so far in shape, size and tokens",
)
