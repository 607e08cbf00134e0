"""Fit the recipe penalty to sweeps over rate and batch."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
from scipy.optimize import least_squares

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.models.recipes.penalty import (
    COEFFICIENTS,
    VALID_PENALTY,
    RecipePenalty,
    offsets,
    quadratic,
)

# A residual of this size, in log loss, counts less than its square: a quadratic's own misfit.
_SOFT = 0.003
_FEWEST_RUNS = 20
_START = np.array([np.log(0.01), 0.0, np.log(0.007), 0.0, -0.3, -0.3, 0.0])


def fit_recipe_penalty(
    learning_rate: np.ndarray,
    batch_tokens: np.ndarray,
    n_params_body: np.ndarray,
    n_tokens: np.ndarray,
    loss_nats: np.ndarray,
    sweep: Sequence[str] | np.ndarray,
    *,
    n_resamples: int = 0,
    seed: int = 0,
    source: str = "fitted to own sweeps",
) -> RecipePenalty:
    """Fit what missing the optimum costs, from runs that differ in rate and batch alone.

    Each sweep has its own best loss, so nothing is asked of a loss law. Runs more than
    `VALID_PENALTY` above their sweep's best are left out: there runs diverge, and no quadratic
    follows. Least squares in log loss, softened for residuals above .003.

    Args:
        learning_rate: AdamW's peak rate, ``(run,)``.
        batch_tokens: Tokens of an optimizer step [count], ``(run,)``.
        n_params_body: Weights without embeddings and head [count], ``(run,)``.
        n_tokens: Training tokens [count], ``(run,)``.
        loss_nats: Final losses [nats per token], ``(run,)``.
        sweep: Which sweep each run is of: one shape, one number of tokens, ``(run,)``.
        n_resamples: Resamples of whole sweeps for the errors; 0 for no errors.
        seed: Of the resamples.
        source: What the result says of itself.

    Raises:
        NotEnoughRunsError: Fewer than 20 runs near their sweep's best.
        InvalidInputError: A value is not positive, or errors are asked of fewer than 3 sweeps.
    """
    u, v, log_ratio = offsets(learning_rate, batch_tokens, n_params_body, n_tokens)
    log_loss = np.log(np.asarray(loss_nats, float))
    names, cells = np.unique(np.asarray(sweep), return_inverse=True)
    best = np.array([log_loss[cells == i].min() for i in range(len(names))])
    near = log_loss <= best[cells] + VALID_PENALTY
    if near.sum() < _FEWEST_RUNS:
        raise NotEnoughRunsError(
            f"{near.sum()} runs are within {VALID_PENALTY} log loss of their sweep's best, and a "
            f"penalty needs {_FEWEST_RUNS}; train more rates and batches near the best"
        )
    rows = np.stack([u, v, log_ratio, log_loss])[:, near]
    cells = cells[near]
    values = _natural(_climb(rows, cells))
    stderr: dict[str, float] = {}
    if n_resamples:
        if len(names) < 3:
            raise InvalidInputError(
                f"errors come from resampling whole sweeps, and there are only {len(names)}; give "
                f"at least 3, or n_resamples=0"
            )
        rng = np.random.default_rng(seed)
        resampled = []
        for _ in range(n_resamples):
            chosen = [np.flatnonzero(cells == c) for c in rng.integers(len(names), size=len(names))]
            relabelled = np.repeat(np.arange(len(chosen)), [len(index) for index in chosen])
            resampled.append(_natural(_climb(rows[:, np.concatenate(chosen)], relabelled)))
        errors = np.std(resampled, axis=0, ddof=1)
        stderr = dict(zip(COEFFICIENTS, errors.tolist(), strict=True))
    return RecipePenalty(
        MappingProxyType(dict(zip(COEFFICIENTS, values.tolist(), strict=True))),
        MappingProxyType(stderr),
        source,
    )


def _natural(free: np.ndarray) -> np.ndarray:
    """Return coefficients in `COEFFICIENTS`' order from unbounded ones."""
    a, a_power, b, b_power, correlation, rate, batch = free
    return np.array(
        [np.exp(a), a_power, np.exp(b), b_power, np.tanh(correlation), np.exp(rate), np.exp(batch)]
    )


def _climb(rows: np.ndarray, cells: np.ndarray) -> np.ndarray:
    u, v, log_ratio, log_loss = rows

    def residuals(free: np.ndarray) -> np.ndarray:
        left = log_loss - quadratic(_natural(free), u, v, log_ratio)
        return left - best_losses(left, cells)[cells]

    return least_squares(residuals, _START, loss="soft_l1", f_scale=_SOFT).x


def best_losses(left: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return each sweep's log loss at its optimum, a mean that gives outliers less weight."""
    level = np.bincount(cells, left) / np.bincount(cells)
    for _ in range(3):
        weights = 1 / np.sqrt(1 + ((left - level[cells]) / _SOFT) ** 2)
        level = np.bincount(cells, weights * left) / np.bincount(cells, weights)
    return level
