"""A quick fit that no handful of rows can spoil: what the bulk of a table agrees on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.runs import RunTable

_MIN_RUNS = 8
_MAX_RUNS = 1_000
# A run this many robust standard deviations off, and by this much of its loss, is no bad luck.
_FAR_SDS, _FAR_LOG = 8.0, 0.12
# Standard deviations of the groups between them. A normal cut in half has 2.7, a uniform 3.5.
_GROUP_SDS, _GROUP_LOG = 6.0, 0.04
_GROUP_ROUNDS = 4


@dataclass(frozen=True)
class RobustSurface:
    """Hold a robust fit of ``E + A / N**alpha + B / D**beta``, times powers of what else varies.

    Attributes:
        log_n: Log size ``(run,)``, centred.
        log_d: Log tokens ``(run,)``, centred.
        log_loss: Log loss ``(run,)``.
        residuals: Log loss minus that of the fit ``(run,)``.
        if_two: The same for the fit that allows two groups an offset, of the offset not freed.
        scale: Their robust standard deviation (of the median absolute deviation).
        floor_nats: E, or 0 where the runs leave it open.
    """

    log_n: np.ndarray
    log_d: np.ndarray
    log_loss: np.ndarray
    residuals: np.ndarray
    if_two: np.ndarray
    scale: float
    floor_nats: float

    def far_below(self) -> np.ndarray:
        """Return the numbers of runs far under the fit, lowest first.

        Power laws rise without end towards tiny budgets, where real losses are bounded. So a run
        counts only where a larger one on more data did worse, or where no such run is.
        """
        rows = np.flatnonzero(self.residuals < -max(_FAR_SDS * self.scale, _FAR_LOG))
        kept = []
        for row in rows[np.argsort(self.residuals[rows])]:
            beyond = (self.log_n >= self.log_n[row]) & (self.log_d >= self.log_d[row])
            beyond[row] = False
            if not beyond.any() or self.log_loss[beyond].max() > self.log_loss[row] + 0.02:
                kept.append(row)
        return np.array(kept, int)

    def two_groups(self) -> tuple[np.ndarray, float] | None:
        """Return the mask of the lower of two groups and their distance, or None if there is one.

        Both have a tenth of the runs and at least three; nothing lies in between.
        """
        order = np.argsort(self.if_two)
        values = self.if_two[order]
        n_runs = len(values)
        least = max(3, -(-n_runs // 10))
        if n_runs < 2 * least:
            return None
        gaps = np.diff(values)[least - 1 : n_runs - least]
        cut = int(np.argmax(gaps)) + least
        low, high = values[:cut], values[cut:]
        distance = float(high.mean() - low.mean())
        within = np.sqrt((low.var() * len(low) + high.var() * len(high)) / n_runs)
        if distance < max(_GROUP_SDS * within, _GROUP_LOG) or gaps.max() < 0.4 * distance:
            return None
        is_low = np.zeros(n_runs, bool)
        is_low[order[:cut]] = True
        return is_low, distance


def fit_surface(law: LossLaw, table: RunTable) -> RobustSurface | None:
    """Fit the surface to a table (to a thousand rows of it), or return None for too few rows."""
    features = _features(law, table)
    if len(table) < max(_MIN_RUNS, 2 * (5 + features.shape[1])):
        return None
    rows = np.unique(np.linspace(0, len(table) - 1, _MAX_RUNS).astype(int))
    x = np.log(table[law.n_column])
    y = np.log(table["n_tokens"])
    x, y = x - x.mean(), y - y.mean()
    log_loss = np.log(table["loss_nats"])
    level = float(np.median(log_loss))

    def predict(
        theta: np.ndarray, further: np.ndarray, at: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        a, b, e, alpha, beta = theta[:5]
        parts = np.logaddexp(np.logaddexp(a - alpha * x[at], b - beta * y[at]), e)
        return parts + further[at] @ theta[5:]

    def fit(start: np.ndarray, further: np.ndarray) -> OptimizeResult:
        width = further.shape[1]
        low, high = level + np.array([-8.0, 3.0])
        lower = [*[low] * 3, 0.02, 0.02, *[-3.0] * width]
        upper = [*[high] * 3, 2.0, 2.0, *[3.0] * width]
        return least_squares(
            lambda theta: predict(theta, further, rows) - log_loss[rows],
            np.clip(start, np.array(lower) + 1e-6, np.array(upper) - 1e-6),
            bounds=(lower, upper),
            loss="cauchy",
            f_scale=0.02,
            max_nfev=200,
        )

    zeros = np.zeros(features.shape[1])
    starts = [
        np.array(
            [*[level + np.log((1 - floor) / 2)] * 2, level + np.log(floor), 0.35, 0.35, *zeros]
        )
        for floor in (0.3, 0.7)
    ]
    best = min((fit(start, features) for start in starts), key=lambda end: end.cost).x
    theta, values = best, log_loss - predict(best, features)
    for _ in range(_GROUP_ROUNDS):
        group = _upper_half(values)
        further = np.column_stack([features, group])
        offset = values[group > 0].mean() - values[group == 0].mean()
        theta = fit(np.append(theta[: len(best)], offset), further).x
        values = log_loss - predict(theta[:-1], features)
    residuals = log_loss - predict(best, features)
    scale = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
    # A floor of less than a tenth of the loss is what a fit says when it cannot tell.
    floor_nats = float(np.exp(best[2])) if best[2] > level - 2.3 else 0.0
    return RobustSurface(x, y, log_loss, residuals, values, max(scale, 1e-3), floor_nats)


def _upper_half(values: np.ndarray) -> np.ndarray:
    """Return 1 for the upper and 0 for the lower of two means' groups."""
    cut = float(np.mean(values))
    for _ in range(20):
        cut = float(values[values > cut].mean() + values[values <= cut].mean()) / 2
    return (values > cut).astype(float)


def _features(law: LossLaw, table: RunTable) -> np.ndarray:
    """Return a line and a parabola in the logarithm of every further input, ``(run, feature)``."""
    columns = []
    for name in law.inputs:
        if name in (law.n_column, "n_tokens"):
            continue
        values = np.log(table[name])
        if (spread := values.std()) > 1e-6:
            z = (values - values.mean()) / spread
            columns += [z, z**2 - 1]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))
