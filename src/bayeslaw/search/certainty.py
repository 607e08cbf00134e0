"""How much of a value is owed to the draws that it was averaged over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayeslaw.search.acquisition import Acquisition, Aims, Problem
from bayeslaw.search.acquisition.aims import aims_of

N_BLOCKS = 8


def monte_carlo_error(
    way: Acquisition, problem: Problem, row: int, taken: Sequence[int]
) -> float | None:
    """Return the standard error of a candidate's value, by the jackknife over blocks of draws.

    The value is worked out again without each of `N_BLOCKS` blocks of draws in turn, on the rows that
    it hangs on alone (Efron and Stein 1981, doi:10.1214/aos/1176345462). It says nothing of what
    all draws share: laws, priors, runs.

    Returns:
        In the units of the value; None for an acquisition without one or too few draws.
    """
    if not way.is_per_hour or problem.log_losses is None:
        return None
    n_draws = len(problem.log_losses)
    if n_draws < 4 * N_BLOCKS:
        return None
    small = problem.narrowed(np.array([row, *taken]))
    if problem.n_target:
        # Which alternatives lead is kept as it is; working it out again would take most of the time.
        small = replace(small, aims=aims_of(problem))
    block = np.arange(n_draws) % N_BLOCKS
    values = np.array(
        [
            np.exp(way.score(_drawn(small, block != left_out), range(1, 1 + len(taken)))[0])
            for left_out in range(N_BLOCKS)
        ]
    )
    return float(np.sqrt((N_BLOCKS - 1) / N_BLOCKS * ((values - values.mean()) ** 2).sum()))


def _drawn(problem: Problem, kept: np.ndarray) -> Problem:
    aims = problem.aims
    return replace(
        problem,
        aims=None if aims is None else Aims(aims.values[kept], aims.decisions),
        **{
            name: None if (values := getattr(problem, name)) is None else values[kept]
            for name in (
                "log_losses", "law", "utilities", "margins", "target_utilities", "target_margins",
            )
        },
    )  # fmt: skip
