"""What every baseline gives, and the two steps that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import NotEnoughRunsError, UndecidedError

N_DRAWS = 1000
"""Draws of a forecast, and refits of a bootstrap."""

Columns = Mapping[str, np.ndarray]
"""Columns of a table, float64 ``(run,)``: ``n`` (its preferred N), ``n_tokens``, ``loss_nats`` ..."""


@dataclass(frozen=True)
class Forecast:
    """Hold what a baseline says of one new run at each held-out place.

    Attributes:
        draws: Log loss, ``(draw, heldout)``; one draw is one curve and its own noise.
        report: What happened on the way: fits that failed, draws that were no loss, coefficients.
    """

    draws: np.ndarray
    report: Mapping[str, float | str]


def bootstrap_counts(fit: Columns, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of `N_DRAWS` case bootstraps takes each run, ``(draw, run)``.

    Runs that share a ``trunk`` (a code in that column) come and go together: their errors do, too.
    """
    n_runs = len(fit["n_tokens"])
    groups = (
        np.unique(fit["trunk"], return_inverse=True)[1] if "trunk" in fit else np.arange(n_runs)
    )
    n_groups = int(groups.max()) + 1
    shares = np.full(n_groups, 1 / n_groups)
    return rng.multinomial(n_groups, shares, size=N_DRAWS)[:, groups].astype(float)


def noise(
    residuals: np.ndarray, n_coefficients: int, n_points: int, rng: np.random.Generator
) -> np.ndarray:
    """Return residuals of a fit drawn anew, ``(draw, n_points)``.

    They are widened by ``sqrt(n / (n - n_coefficients))``, what the fit took from them.

    Raises:
        NotEnoughRunsError: The fit left no residual.
    """
    n_runs = len(residuals)
    if n_runs <= n_coefficients:
        raise NotEnoughRunsError(
            f"a bootstrap of {n_coefficients} coefficients needs at least {n_coefficients + 1} "
            f"runs, got {n_runs}; leave this table out or fit more of it"
        )
    widened = residuals * np.sqrt(n_runs / (n_runs - n_coefficients))
    return rng.choice(widened, size=(N_DRAWS, n_points))


def usable_draws(losses: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return log losses, and how many draws were none somewhere (not finite, or not positive).

    A draw that is no loss at one place is given up whole and another takes its stead, which is kind
    to the baseline: scored as it is, its log loss would be minus infinity.

    Args:
        losses: ``(draw, heldout)``, nats per token; draws may be fewer than `N_DRAWS`.
        rng: For the draws that step in.

    Returns:
        ``(N_DRAWS, heldout)``, and the number given up.

    Raises:
        UndecidedError: No draw is a loss everywhere.
    """
    is_usable = (np.isfinite(losses) & (losses > 0)).all(axis=1)
    kept = np.flatnonzero(is_usable)
    if not len(kept):
        raise UndecidedError(
            f"none of {len(losses)} draws is a finite positive loss at every held-out run; the fit "
            f"failed, and the table has no forecast by this baseline"
        )
    rows = np.concatenate([kept, rng.choice(kept, size=N_DRAWS - len(kept))])
    return np.log(losses[rows]), int(len(losses) - len(kept))
