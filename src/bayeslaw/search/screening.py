"""From a pool of any size to the few thousand candidates that deserve a close look."""

from __future__ import annotations

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition import Acquisition, Problem
from bayeslaw.search.acquisition.aims import aims_of
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.pool import Asked, build_problem, loss_members, noise_sd

N_SCORED = 8192
"""Candidates that an acquisition scores itself."""

_N_DRAWS = 64
_N_ASPECTS = 8
_CHUNK = 16_384


def screen(
    beliefs: Beliefs,
    pool: CandidatePool,
    asked: Asked,
    way: Acquisition,
    hours: np.ndarray | None,
) -> np.ndarray:
    """Return rows of a large pool that may be worth most, ascending; all rows of a small one.

    A run moves what is expected of the target by its covariance with it, so candidates are kept that
    explain most of the variance of the target's leading aspects (principal components of its aims),
    per each power of the cost that the acquisition knows. Cost and memory are linear in
    the pool; nothing is drawn for the pool as a whole.

    Raises:
        InvalidInputError: The pool is larger than `N_SCORED` and the acquisition looks at no target.
    """
    if len(pool) <= N_SCORED:
        return np.arange(len(pool))
    if not way.needs_target or beliefs.loss is None:
        raise InvalidInputError(
            f"{way.name} scores every candidate itself, at most {N_SCORED:,}; got {len(pool):,}: "
            f"sample fewer, or use an acquisition that looks at the target"
        )
    members, aspects = _aspects(beliefs, pool, asked, way)
    few = beliefs.loss.taking(members)
    explained = np.empty(len(pool))
    for start in range(0, len(pool), _CHUNK):
        rows = slice(start, start + _CHUNK)
        columns = {name: values[rows] for name, values in pool.columns.items()}
        runs = np.log(few.losses(columns)).astype(np.float32)
        runs -= runs.mean(axis=0)
        variance = (runs**2).mean(axis=0) + noise_sd(few, columns) ** 2
        moved = aspects.T @ runs / len(runs)
        explained[rows] = (moved**2).sum(axis=0) / variance
    log_worth = 0.5 * np.log(np.maximum(explained, 1e-300))
    log_hours = np.zeros(len(pool)) if hours is None else np.log(hours)
    n_each = N_SCORED // (2 * len(way.cost_powers))
    kept = [
        np.argpartition(-(log_worth - power * log_hours), n_each)[:n_each]
        for power in way.cost_powers
    ]
    return np.unique(np.concatenate(kept))


def _aspects(
    beliefs: Beliefs, pool: CandidatePool, asked: Asked, way: Acquisition
) -> tuple[np.ndarray, np.ndarray]:
    """Return some of the draws' loss members, ascending, and the target's leading aspects."""
    one = pool.take(np.arange(1))
    problem: Problem = build_problem(beliefs, one, asked, way, hours=None, p_success=None)
    members = loss_members(beliefs, asked)[:_N_DRAWS]
    order = np.argsort(members, kind="stable")
    aims = aims_of(problem).values[:_N_DRAWS][order]
    left, sizes, _ = np.linalg.svd(aims - aims.mean(axis=0), full_matrices=False)
    aspects = left[:, :_N_ASPECTS] * sizes[:_N_ASPECTS]
    return members[order], aspects.astype(np.float32)
