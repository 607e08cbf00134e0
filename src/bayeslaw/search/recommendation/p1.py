"""The search of "Scaling Laws Meet Model Architecture": the fastest one whose loss is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayeslaw.errors import EmptySpaceError, InvalidInputError
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.heuristics import with_other_gqa
from bayeslaw.search.recommendation.listing import listed
from bayeslaw.space import Candidate, SearchSpace


def search_p1(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    max_loss_nats: float,
    p_loss: float = 0.9,
    space: SearchSpace | None = None,
    n_draws: int | None = None,
    seed: int = 0,
) -> tuple[Forecast, ...]:
    """Return those that keep the loss limit, the highest expected throughput first.

    Every candidate's shape is tried with every number of KV heads that divides its heads and that
    the space allows: nothing stops at the first that is worse, as the paper's search does. "Keeps
    the limit" is of a new run, its scatter included: the paper's own winner was .001 nats above.

    Args:
        beliefs: Of loss and latency.
        candidates: The discrete grid, or what was sampled from it.
        max_loss_nats: L_t, the loss that is good enough [nats per token]; the paper takes the
            baseline's.
        p_loss: Least probability that a new run's loss is that or lower.
        space: What other numbers of KV heads must belong to; without one they are all tried.
        n_draws: Joint draws; one a loss member when left out.
        seed: The same seed, the same answer.

    Returns:
        Forecasts of all that qualify; ``p_feasible`` is of a new run's loss.

    Raises:
        EmptySpaceError: None qualifies; the message says how near the best comes.
        InvalidInputError: No candidates, a probability outside (0, 1), or no loss or latency.

    Source:
        Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, algorithm 1 and eq. 4.
    """
    if not 0 < p_loss < 1:
        raise InvalidInputError(f"p_loss is a probability between 0 and 1, got {p_loss}")
    if not max_loss_nats > 0:
        raise InvalidInputError(f"max_loss_nats is a loss above 0, got {max_loss_nats}")
    grid = _with_every_gqa(candidates, space)
    outcomes, forecasts = listed(
        beliefs, grid, objectives="throughput_tokens_per_s", n_draws=n_draws, seed=seed
    )
    p_kept = (outcomes.new_values["loss_nats"] <= max_loss_nats).mean(axis=0)
    qualified = np.flatnonzero(p_kept >= p_loss)
    if not qualified.size:
        nearest = int(np.argmax(p_kept))
        raise EmptySpaceError(
            f"none of {len(grid)} candidates has a new run's loss of at most {max_loss_nats:g} nats "
            f"with probability {p_loss:.0%}; {grid[nearest].architecture} comes nearest with "
            f"{p_kept[nearest]:.0%}: raise max_loss_nats, lower p_loss, or widen the space"
        )
    throughput = outcomes.values["throughput_tokens_per_s"].mean(axis=0)
    order = qualified[np.argsort(-throughput[qualified], kind="stable")]
    return tuple(replace(forecasts[i], p_feasible=float(p_kept[i])) for i in order)


def _with_every_gqa(candidates: Sequence[Candidate], space: SearchSpace | None) -> list[Candidate]:
    found = dict.fromkeys(candidates)
    for candidate in candidates:
        for other in with_other_gqa(candidate):
            if other not in found and (space is None or space.contains(other)):
                found[other] = None
    return list(found)
