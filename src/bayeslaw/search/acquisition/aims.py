"""What runs are for, as functions of the draws: an aim's mean is what would be decided by."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Aims, Goal, Problem
from bayeslaw.search.front import (
    box_share,
    keeps_limits,
    reference_and_ideal,
    without_common_shift,
)

# Hundreds of near-equal alternatives would let the noise in their covariances pass for information.
MAX_ALTERNATIVES = 64
N_DIRECTIONS = 8


@lru_cache(maxsize=4)
def aims_of(problem: Problem) -> Aims:
    """Return what a problem's goal asks to be known.

    ``error``: log losses of all target rows. ``choice``: the share of the box between reference and
    ideal point that each of the best alternatives dominates alone, 0 where it breaks a limit.
    ``front``: the same along `N_DIRECTIONS` directions; the mean over directions of the best
    alternative is the front's hypervolume (Zhang and Golovin 2020, arXiv:2006.04655, lemma 5).

    Raises:
        InvalidInputError: The problem says nothing of the target.
    """
    if not problem.n_target:
        raise InvalidInputError(
            "this acquisition asks what the target is: give target_candidates, or choose another "
            "acquisition"
        )
    if problem.aims is not None:
        return problem.aims
    if problem.goal == "error":
        if problem.log_losses is None:
            raise InvalidInputError("no loss law is fitted yet; begin with 'space_filling'")
        return Aims(problem.log_losses[:, problem.target], np.empty(0, dtype=int))
    if problem.target_utilities is None or problem.target_margins is None:
        raise InvalidInputError(
            "no loss law is fitted yet, so nothing is believed of the target; begin with "
            "'space_filling'"
        )
    return decision_aims(problem.target_utilities, problem.target_margins, problem.goal)


def decision_aims(utilities: np.ndarray, margins: np.ndarray, goal: Goal) -> Aims:
    """Return the aims of a ``choice`` or a ``front``.

    Args:
        utilities: Of the target's candidates ``(draw, target, objective)``.
        margins: By how much limits hold there ``(draw, target, limit)``.
        goal: Which of the two.
    """
    is_feasible = keeps_limits(margins)
    reference, ideal = reference_and_ideal(utilities, is_feasible)
    utilities = without_common_shift(utilities)
    if goal == "choice":
        shares = box_share(utilities, is_feasible, reference, ideal)
        kept = _leading(shares, MAX_ALTERNATIVES)
        return Aims(shares[:, kept], np.zeros(len(kept), dtype=int))
    scaled = np.maximum((utilities - reference) / (ideal - reference), 0.0)
    values, decisions = [], []
    for number, direction in enumerate(_directions(utilities.shape[-1])):
        heights = (scaled / direction).min(axis=-1) ** utilities.shape[-1] * is_feasible
        kept = _leading(heights, MAX_ALTERNATIVES // 2)
        values.append(heights[:, kept])
        decisions.append(np.full(len(kept), number))
    return Aims(np.concatenate(values, axis=1), np.concatenate(decisions))


def _leading(values: np.ndarray, n_kept: int) -> np.ndarray:
    """Return columns that are best on average or most often, in their order."""
    by_mean = np.argsort(-values.mean(axis=0), kind="stable")[:n_kept]
    wins = np.bincount(values.argmax(axis=1), minlength=values.shape[1])
    by_wins = np.argsort(-wins, kind="stable")[: n_kept // 2]
    return np.unique(np.concatenate([by_mean, by_wins[wins[by_wins] > 0]]))


def _directions(n_objectives: int) -> np.ndarray:
    """Return unit directions in the positive orthant, evenly spread, ``(direction, objective)``."""
    if n_objectives == 1:
        return np.ones((1, 1))
    if n_objectives == 2:
        angle = (np.arange(N_DIRECTIONS) + 0.5) / N_DIRECTIONS * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    normals = np.abs(np.random.default_rng(0).standard_normal((4 * N_DIRECTIONS, n_objectives)))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)
