"""How the law's intervals hold on runs dearer than those they were learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.discrepancy import VALIDATED_COST_RATIO
from bayeslaw.models.loss.evidence import training_cost
from bayeslaw.models.loss.fit import fit_law
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.runs import RunTable

N_ORIGINS = 5
FEWEST_HELD_OUT = 3
_N_DRAWS = 1000


@dataclass(frozen=True)
class RollingOrigins:
    """Hold predictions of dearer runs from fits to cheaper ones, each ``(prediction,)``.

    A run is predicted from several origins, and runs beyond one origin share the form's error: the
    predictions are far fewer than they look.

    Attributes:
        n_origins: Fits.
        origin: Which fit.
        run: Row of the table.
        log_cost_ratio: Log of the run's cost over the costliest fitted run's.
        inside90: Whether the 90 % interval for a new run held the loss.
        inside50: Whether the 50 % interval did.
        log_error: Log of observed over predicted median loss.
    """

    n_origins: int
    origin: np.ndarray
    run: np.ndarray
    log_cost_ratio: np.ndarray
    inside90: np.ndarray
    inside50: np.ndarray
    log_error: np.ndarray

    @property
    def coverage90(self) -> float:
        """Share that the 90 % intervals held; every origin weighs the same."""
        return self._by_origin(self.inside90)

    @property
    def coverage50(self) -> float:
        """Share that the 50 % intervals held; every origin weighs the same."""
        return self._by_origin(self.inside50)

    def _by_origin(self, inside: np.ndarray) -> float:
        return float(np.mean([inside[self.origin == i].mean() for i in np.unique(self.origin)]))


@dataclass(frozen=True)
class Bin:
    """Hold how many intervals held at one range of cost ratios, with a 90 % binomial band."""

    low_ratio: float
    high_ratio: float
    n: int
    share: float
    lower: float
    upper: float


def rolling_origins(
    law: LossLaw,
    table: RunTable,
    *,
    seed: int = 0,
    n_origins: int = N_ORIGINS,
    progress: Callable[[int, int], None] | None = None,
) -> RollingOrigins:
    """Fit the cheaper runs, predict the dearer ones, and move the line between them.

    Fits are by Laplace. Origins are even in log cost, from the fewest runs that could teach the law
    to the last that leaves runs to predict, none more than 20 times costlier than those fitted.

    Args:
        law: As fitted to the whole table.
        table: All runs.
        seed: Of the fits.
        n_origins: Fits at most.
        progress: Called with fits done and fits in all.

    Raises:
        InvalidInputError: Too few runs, or all of one cost.
    """
    cost = training_cost(law, {name: table[name] for name in law.inputs})
    ends = _origins(cost, len(law.coefficients) + 1, n_origins)
    parts: list[dict[str, np.ndarray]] = []
    for i, end in enumerate(ends):
        if progress is not None:
            progress(i, len(ends))
        fitted = cost <= end
        held = np.flatnonzero((cost > end) & (cost <= VALIDATED_COST_RATIO * end))
        posterior = fit_law(
            law, table.select(fitted), method="laplace", n_draws=_N_DRAWS, seed=seed
        )
        rows = table.select(held)
        at90, at50 = (posterior.predict(rows, level=level) for level in (0.9, 0.5))
        loss = rows["loss_nats"]
        parts.append(
            {
                "origin": np.full(len(held), i),
                "run": held,
                "log_cost_ratio": posterior.log_cost_distance(rows),
                "inside90": (at90.lower_nats <= loss) & (loss <= at90.upper_nats),
                "inside50": (at50.lower_nats <= loss) & (loss <= at50.upper_nats),
                "log_error": np.log(loss / at90.median_nats),
            }
        )
    if progress is not None:
        progress(len(ends), len(ends))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return RollingOrigins(n_origins=len(ends), **joined)


def coverage_by_distance(rolling: RollingOrigins, *, n_bins: int = 5) -> list[Bin]:
    """Return the share of 90 % intervals that held, by even ranges of log cost ratio."""
    edges = np.linspace(0.0, float(rolling.log_cost_ratio.max()), n_bins + 1)
    which = np.clip(np.searchsorted(edges, rolling.log_cost_ratio, side="left") - 1, 0, n_bins - 1)
    bins = []
    for i in range(n_bins):
        inside = rolling.inside90[which == i]
        if not len(inside):
            continue
        k, n = int(inside.sum()), len(inside)
        bins.append(
            Bin(
                low_ratio=float(np.exp(edges[i])),
                high_ratio=float(np.exp(edges[i + 1])),
                n=n,
                share=k / n,
                lower=float(stats.beta.ppf(0.05, k, n - k + 1)) if k else 0.0,
                upper=float(stats.beta.ppf(0.95, k + 1, n - k)) if k < n else 1.0,
            )
        )
    return bins


def _origins(cost: np.ndarray, fewest: int, n_origins: int) -> list[float]:
    """Return costs up to which to fit."""
    ordered = np.sort(cost)
    ends, counts = np.unique(ordered, return_counts=True)
    reached = np.searchsorted(ordered, VALIDATED_COST_RATIO * ends, side="right")
    n_fitted = np.cumsum(counts)
    possible = ends[(n_fitted >= fewest) & (reached - n_fitted >= FEWEST_HELD_OUT)]
    if not len(possible):
        raise InvalidInputError(
            f"{len(cost)} runs leave no way to fit {fewest} cheaper ones and predict "
            f"{FEWEST_HELD_OUT} dearer ones within {VALIDATED_COST_RATIO:g} times their cost; train "
            f"runs at more costs"
        )
    wanted = np.geomspace(possible[0], possible[-1], n_origins)
    nearest = np.abs(np.log(possible)[:, None] - np.log(wanted)).argmin(axis=0)
    return possible[np.unique(nearest)].tolist()
