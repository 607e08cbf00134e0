"""Forecasts of a list of candidates, the baseline's beside them in the same draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.objectives import parse_objectives
from bayeslaw.search.outcomes import Outcomes, draw_outcomes
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.forecasting import Margins, forecast_all
from bayeslaw.search.recommendation.judge import judge
from bayeslaw.space import Candidate


def listed(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    objectives: str,
    limits: str | Sequence[str] = (),
    baseline: Candidate | None = None,
    n_draws: int | None = None,
    seed: int = 0,
) -> tuple[Outcomes, list[Forecast]]:
    """Return joint draws of candidates and what they come to, in the order given.

    Raises:
        InvalidInputError: No candidates, fewer than 8 draws, or a belief is missing.
    """
    if not len(candidates):
        raise InvalidInputError("no target candidates were given to recommend from")
    if beliefs.loss is None:
        raise InvalidInputError("a recommendation needs a fitted loss law")
    wanted = parse_objectives(objectives, limits)
    outcomes = draw_outcomes(
        beliefs,
        candidates,
        baseline=baseline,
        needed=wanted.names,
        n_draws=enough_draws(beliefs.loss.n_members if n_draws is None else n_draws),
        seed=seed,
    )
    found = judge(wanted, outcomes, len(candidates), 0.0)
    is_baseline = np.zeros(len(candidates), dtype=bool)
    return outcomes, forecast_all(
        wanted, outcomes, found, None, margins=Margins(), is_baseline=is_baseline
    )  # fmt: skip


def enough_draws(n_draws: int) -> int:
    """Return the number of draws, refused below 8: probabilities are shares of them."""
    if n_draws < 8:
        raise InvalidInputError(f"at least 8 draws are needed, got {n_draws}")
    return n_draws
