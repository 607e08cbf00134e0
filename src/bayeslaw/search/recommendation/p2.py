"""The search of "Scaling Inference-Efficient Language Models": the best losses that are fast enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeslaw.errors import EmptySpaceError, InvalidInputError
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.listing import listed
from bayeslaw.space import Candidate


def search_p2(
    beliefs: Beliefs,
    candidates: Sequence[Candidate],
    *,
    limits: str | Sequence[str],
    n_best: int = 3,
    p_limits: float = 0.9,
    baseline: Candidate | None = None,
    n_draws: int | None = None,
    seed: int = 0,
) -> tuple[Forecast, ...]:
    """Return the ``n_best`` lowest predicted losses among those that likely keep a latency limit.

    The paper trains all of these and keeps the best; what to build, before that, is the first.

    Args:
        beliefs: Of loss and latency.
        candidates: What may be built.
        limits: Such as ``"e2e_ms <= 0.95 * baseline"``.
        n_best: How many to train [count].
        p_limits: Least probability to keep all limits.
        baseline: What ``baseline`` in a limit means.
        n_draws: Joint draws; one a loss member when left out.
        seed: The same seed, the same answer.

    Raises:
        EmptySpaceError: None keeps the limits; the message says how near the best comes.
        InvalidInputError: No candidates, no limit, a bad number, or no loss or latency.

    Source:
        Bian, Yan, Venkataraman (2025), ICML, PMLR 267:4303-4323, section on model selection.
    """
    if not 0 < p_limits < 1:
        raise InvalidInputError(f"p_limits is a probability between 0 and 1, got {p_limits}")
    if n_best < 1:
        raise InvalidInputError(f"n_best must be at least 1, got {n_best}")
    if not limits:
        raise InvalidInputError("give the latency limit, such as limits='tpot_ms <= 5'")
    _, forecasts = listed(
        beliefs, list(dict.fromkeys(candidates)), objectives="-loss_nats", limits=limits,
        baseline=baseline, n_draws=n_draws, seed=seed,
    )  # fmt: skip
    kept = [forecast for forecast in forecasts if forecast.p_feasible >= p_limits]
    if not kept:
        nearest = max(forecasts, key=lambda forecast: forecast.p_feasible)
        raise EmptySpaceError(
            f"none of {len(forecasts)} candidates keeps {limits!r} with probability {p_limits:.0%}; "
            f"{nearest.candidate.architecture} comes nearest with {nearest.p_feasible:.0%}: "
            f"loosen the limit, lower p_limits, or widen the space"
        )
    losses = np.array([(forecast.loss_nats or {})["p50"] for forecast in kept])
    return tuple(kept[i] for i in np.argsort(losses, kind="stable")[:n_best])
