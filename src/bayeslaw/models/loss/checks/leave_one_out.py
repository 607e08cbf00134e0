"""Each run predicted without itself, from one fit: PSIS-LOO."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.pointwise import pointwise
from bayeslaw.models.loss.posterior import Posterior
from bayeslaw.models.loss.psis import K_HAT_LIMIT, smooth_weights


@dataclass(frozen=True)
class LeaveOneOut:
    """Hold what the fit would have said of each run, had it not seen it.

    Attributes:
        elpd: Expected log density of each run's log loss, ``(run,)``; larger is better.
        pit: Probability that the fit gave to a loss below the observed one, ``(run,)``.
        pareto_k: How hard each run pulls: above `max_k` the other columns are not to be believed
            for it, ``(run,)``.
        max_k: Largest k at which as many draws are enough.
    """

    elpd: np.ndarray
    pit: np.ndarray
    pareto_k: np.ndarray
    max_k: float


def leave_one_out(posterior: Posterior) -> LeaveOneOut:
    """Predict every fitted run from all others, the other points of its training job included.

    Source:
        Vehtari, Gelman, Gabry (2017), Statistics and Computing 27(5).
    """
    log_loss = np.log(posterior.fitted["loss_nats"])
    runs = pointwise(posterior)
    log_density, below = runs.log_density(log_loss), runs.cdf(log_loss)
    n_draws, n_runs = log_density.shape
    bulk = posterior.diagnostics.min_ess_bulk  # NaN unless the draws are chains
    efficiency = min(bulk / n_draws, 1.0) if bulk > 0 else 1.0
    elpd, pit, pareto_k = np.empty(n_runs), np.empty(n_runs), np.empty(n_runs)
    for run in range(n_runs):
        smoothed = smooth_weights(-log_density[:, run], efficiency=efficiency)
        weights, pareto_k[run] = smoothed.weights, smoothed.k_hat
        elpd[run] = np.log(weights @ np.exp(log_density[:, run]))
        pit[run] = weights @ below[:, run]
    return LeaveOneOut(elpd=elpd, pit=pit, pareto_k=pareto_k, max_k=max_pareto_k(n_draws))


def max_pareto_k(n_draws: int) -> float:
    """Return the largest k at which so many draws are enough: .7, less for fewer than 2,200.

    Source:
        Vehtari, Simpson, Gelman, Yao, Gabry (2024), JMLR 25(72), section 3.2.4.

    >>> round(max_pareto_k(4000), 2), round(max_pareto_k(400), 2)
    (0.7, 0.62)
    """
    return min(1 - 1 / math.log10(max(n_draws, 11)), K_HAT_LIMIT)
