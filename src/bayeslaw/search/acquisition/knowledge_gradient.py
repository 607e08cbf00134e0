"""How much a run would improve the choice at the target.

The knowledge gradient (Frazier, Powell and Dayanik 2009, doi:10.1287/ijoc.1080.0314) for a
discrete set of alternatives: a run's result moves what is expected of every target candidate
along one line, so the expected best after it is an integral over one normal. Lines come from
covariances over the draws, which is exact where loss is linear and normal in what is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.front import box_share, keeps_limits, reference_and_ideal

# Slopes are covariances over a few hundred draws; hundreds of near-equal alternatives would let
# the noise in them pass for information.
MAX_ALTERNATIVES = 64
N_NODES = 15
_FLOOR = 1e-12


def score(problem: Problem, taken: Sequence[int]) -> np.ndarray:
    """Return the log of the expected gain in the target's utility, a share of its box."""
    if problem.utilities is None or problem.margins is None or problem.log_losses is None:
        raise InvalidInputError(
            "knowledge_gradient needs a fitted loss law; start with space_filling"
        )
    rows = problem.target
    if not len(rows):
        raise InvalidInputError(
            "knowledge_gradient asks what the target is: give target_candidates"
        )
    is_feasible = keeps_limits(problem.margins[:, rows])
    box = reference_and_ideal(problem.utilities[:, rows], is_feasible)
    utility = box_share(problem.utilities[:, rows], is_feasible, *box)
    best = np.argsort(-utility.mean(axis=0), kind="stable")[:MAX_ALTERNATIVES]
    expected = utility[:, best].mean(axis=0)
    spread = utility[:, best] - expected
    log_losses = problem.log_losses - problem.log_losses.mean(axis=0)
    rng = np.random.default_rng(problem.seed)
    for row in (*problem.pending, *taken):
        # Matheron's rule: draws less what the run under way will explain have the covariance that
        # will be left, whatever it turns out to say.
        noise = problem.noise_sd * rng.standard_normal(len(spread))
        observed = log_losses[:, row] + noise - noise.mean()
        gain = log_losses[:, row] / (log_losses[:, row].var() + problem.noise_sd**2 + _FLOOR)
        spread = spread - np.outer(observed, gain @ spread / len(spread))
        log_losses = log_losses - np.outer(observed, gain @ log_losses / len(spread))
    runs = log_losses[:, : problem.n_candidates]
    sd = np.sqrt(runs.var(axis=0) + problem.noise_sd**2 + _FLOOR)
    slopes = spread.T @ runs / len(spread) / sd  # (alternative, candidate)
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    after = (expected[:, None, None] + slopes[:, :, None] * nodes).max(axis=0)
    gained = after @ (weights / weights.sum()) - expected.max()
    return np.log(np.maximum(gained, _FLOOR))


KNOWLEDGE_GRADIENT = Acquisition(
    name="knowledge_gradient",
    score=score,
    is_per_hour=True,
    needs_beliefs=True,
    needs_target=True,
    summary="expected improvement of the choice at the target",
)
