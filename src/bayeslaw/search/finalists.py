"""A second opinion on the runs that were chosen: their value by reweighing draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslaw.models.loss.psis import K_HAT_LIMIT, smooth_weights
from bayeslaw.search.acquisition import Problem
from bayeslaw.search.acquisition.aims import aims_of

N_NODES = 7
FEWEST_EFFECTIVE = 200.0
"""Fewer effective draws leave the best of several alternatives to a handful of them."""


@dataclass(frozen=True)
class SecondOpinion:
    """Hold the value of one run, worked out without taking anything for linear or normal.

    Attributes:
        value: Expected gain, in the units of target_lookahead's.
        n_effective: Draws that count, the mean over results by their chance [count].
        k_hat: Of the weights, the worst of the results within two standard deviations.
    """

    value: float
    n_effective: float
    k_hat: float

    @property
    def is_reliable(self) -> bool:
        """Whether the draws at hand can say what such a result would mean."""
        return self.k_hat <= K_HAT_LIMIT and self.n_effective >= FEWEST_EFFECTIVE

    def to_dict(self) -> dict[str, float | bool]:
        """Return everything as JSON-ready values."""
        return {
            "value": self.value,
            "n_effective": self.n_effective,
            "k_hat": self.k_hat,
            "is_reliable": self.is_reliable,
        }


def second_opinion(problem: Problem, row: int) -> SecondOpinion:
    """Return one candidate's value with draws weighed by what its result would be.

    Each of several results reweighs every draw of every law by its likelihood, Pareto-smoothed
    (Vehtari et al. 2024, arXiv:1507.02646), and the decision is taken under those weights. A sharp
    result leaves few effective draws: at a predictive sd of ten times the noise 14 %, and after four
    such runs less than one draw of 2,000. So this checks single runs, and says when it cannot.

    Args:
        problem: With draws and a target.
        row: Of a candidate. Pending runs are not taken into account.
    """
    assert problem.log_losses is not None and problem.noise_sd is not None
    aims = aims_of(problem)
    runs, noise = problem.log_losses[:, row], problem.noise_sd[row]
    nodes, chances = np.polynomial.hermite_e.hermegauss(N_NODES)
    chances = chances / chances.sum()
    results = runs.mean() + np.sqrt(runs.var() + noise**2) * nodes
    smoothed = [smooth_weights(-0.5 * ((result - runs) / noise) ** 2) for result in results]
    weights = np.stack([np.exp(found.log_weights) for found in smoothed])
    weights /= weights.sum(axis=1, keepdims=True)
    means = weights @ aims.values
    middle = chances @ means
    if len(aims.decisions):
        value = float(chances @ aims.best(means) - aims.best(middle))
    else:
        value = float(chances @ ((means - middle) ** 2).sum(axis=1))
    likely = np.abs(nodes) < 2
    return SecondOpinion(
        value=value,
        n_effective=float(chances @ [found.n_effective for found in smoothed]),
        k_hat=float(max(found.k_hat for found, near in zip(smoothed, likely, strict=True) if near)),
    )
