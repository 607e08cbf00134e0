"""Forecasts of latencies, and proper scores of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from bayeslaw.models.latency.prediction import mixture_quantiles

LEVEL = 0.9
BASELINE = "gp"
"""Whose error is 1 in the pooled ratios."""

_SMOOTHING = 0.9
_N_NODES = 96
_MOST_PARTS = 64


@dataclass(frozen=True)
class Forecast:
    """Predict timings: quantiles [log ms], each ``(row,)``, and an equal mixture of normals.

    Attributes:
        low: 5 % quantile.
        median: 50 % quantile.
        high: 95 % quantile.
        mean: Of each normal [log ms] ``(part, row)``.
        sd: Of each normal ``(part, row)``.
    """

    low: np.ndarray
    median: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def normal(cls, mean: np.ndarray, sd: np.ndarray | float) -> Forecast:
        """Return a normal forecast of log latency, ``(row,)``."""
        sd = np.broadcast_to(np.maximum(sd, 1e-6), mean.shape)[None]
        low, median, high = mixture_quantiles(
            torch.tensor(mean[None]), torch.tensor(sd), [0.05, 0.5, 0.95]
        )
        return cls(low.numpy(), median.numpy(), high.numpy(), mean[None], sd)

    @classmethod
    def conformal(cls, prediction: np.ndarray, errors: np.ndarray) -> Forecast:
        """Return predictions with the spread of errors on rows that were left out.

        The interval is the prediction and the ``ceil((n + 1) 0.9)``-th smallest absolute error on
        either side (split conformal, Lei et al. 2018, doi:10.1080/01621459.2017.1307116), the
        largest one where there are too few.

        Args:
            prediction: Log latency ``(row,)``.
            errors: Of left-out rows ``(fitted,)``.
        """
        n = len(errors)
        rank = min(int(np.ceil((n + 1) * LEVEL)), n)
        reach = np.sort(np.abs(errors))[rank - 1]
        width = max(_SMOOTHING * float(np.std(errors)) * n**-0.2, 1e-6)
        parts = min(n, _MOST_PARTS)
        mean = prediction + np.quantile(errors, (np.arange(parts) + 0.5) / parts)[:, None]
        return cls(
            prediction - reach, prediction, prediction + reach, mean, np.full_like(mean, width)
        )


def score(forecast: Forecast, observed_ms: np.ndarray) -> dict[str, float]:
    """Return the scores of a forecast.

    Args:
        forecast: Of the rows.
        observed_ms: ``(row,)`` [ms].

    Returns:
        ``mape`` (mean share by which the median is off), ``spearman`` (NaN where nothing differs),
        ``coverage90`` (share of rows in the 90 % interval), ``crps_log`` (mean, of log latency),
        ``width90`` (mean width of the interval in log latency).
    """
    observed = np.log(observed_ms)
    order = np.nan
    if len(observed) > 2 and np.ptp(forecast.median) > 0 and np.ptp(observed) > 0:
        order = float(np.corrcoef(stats.rankdata(forecast.median), stats.rankdata(observed))[0, 1])
    held = (forecast.low <= observed) & (observed <= forecast.high)
    return {
        "mape": float(np.abs(np.expm1(forecast.median - observed)).mean()),
        "spearman": order,
        "coverage90": float(held.mean()),
        "crps_log": float(crps_of_mixture(forecast.mean, forecast.sd, observed).mean()),
        "width90": float((forecast.high - forecast.low).mean()),
    }


def crps_of_mixture(mean: np.ndarray, sd: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of equal mixtures of normals, ``(row,)``.

    The integral of ``(F - 1)^2`` above what was observed and of ``F^2`` below it, by trapezoids on
    nodes that are dense in the middle.

    Args:
        mean: ``(part, row)``.
        sd: ``(part, row)``.
        observed: ``(row,)``.

    >>> crps_of_mixture(np.zeros((1, 1)), np.ones((1, 1)), np.zeros(1)).round(3)
    array([0.234])
    """
    means, sds = torch.tensor(mean), torch.tensor(sd)
    centre = means.mean(dim=0)
    spread = ((means - centre) ** 2 + sds**2).mean(dim=0).sqrt()
    reach = torch.maximum((means - centre).abs().amax(dim=0) + 8 * sds.amax(dim=0), 8 * spread)
    # x = spread sinh(s): as fine as the middle needs, and as far as the parts go.
    furthest = torch.asinh(reach / spread)
    steps = torch.linspace(-1, 1, _N_NODES, dtype=torch.float64)
    nodes = centre + spread * torch.sinh(steps[:, None] * furthest)
    # Single precision: the error function is ten times faster, and right to seven digits.
    at_parts, scale = (means - centre).float(), (0.5**0.5 / sds).float()
    offsets = (nodes - centre).float()
    below = torch.stack([torch.erf((x - at_parts) * scale).mean(dim=0) for x in offsets])
    below = (0.5 + 0.5 * below).double()
    gaps = nodes.diff(dim=0)
    left, right = below**2, (1 - below) ** 2
    areas = [0.5 * gaps * (part[1:] + part[:-1]) for part in (left, right)]
    y = torch.tensor(observed)
    at = ((nodes <= y).sum(dim=0) - 1).clamp(0, _N_NODES - 2)
    share = ((y - nodes.gather(0, at[None])[0]) / gaps.gather(0, at[None])[0]).clamp(0, 1)
    up_to = torch.cat([torch.zeros_like(areas[0][:1]), areas[0].cumsum(0)]).gather(0, at[None])[0]
    cell_left = areas[0].gather(0, at[None])[0]
    from_here = areas[1].flip(0).cumsum(0).flip(0).gather(0, at[None])[0]
    cell_right = areas[1].gather(0, at[None])[0]
    outside = torch.maximum(nodes[0] - y, y - nodes[-1]).clamp_min(0)
    return (up_to + share * cell_left + from_here - share * cell_right + outside).numpy()


def mean_scores(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score; NaN only where all are."""
    means = {}
    for name in parts[0]:
        known = [part[name] for part in parts if np.isfinite(part[name])]
        means[name] = float(np.mean(known)) if known else float("nan")
    return means


def pool(sets: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, object]]:
    """Return each method's means over sets, and its errors over the GP's as geometric means.

    Args:
        sets: Scores by method, one a set.

    Returns:
        By method the mean of each score, ``mape_median``, ``worst_coverage90`` and
        ``best_coverage90``, ``n_sets``, ``mape_ratio_to_gp``, ``crps_ratio_to_gp``, and 90 %
        intervals (``_ci``) of the ratios and of the coverage by a bootstrap of sets. Ratios are
        over the sets that have both.
    """
    pooled: dict[str, dict[str, object]] = {}
    for method in dict.fromkeys(m for one in sets for m in one):
        rows = [one[method] for one in sets if method in one]
        both = [one for one in sets if method in one and BASELINE in one]
        held = np.array([row["coverage90"] for row in rows])
        found: dict[str, object] = {
            **mean_scores(rows),
            "n_sets": len(rows),
            "mape_median": float(np.median([row["mape"] for row in rows])),
            "worst_coverage90": float(held.min()),
            "best_coverage90": float(held.max()),
            "coverage90_ci": _interval(held, lambda values: values),
        }
        for name, key in (("mape", "mape_ratio_to_gp"), ("crps_log", "crps_ratio_to_gp")):
            logs = [np.log(one[method][name] / one[BASELINE][name]) for one in both]
            if logs:
                found[key] = float(np.exp(np.mean(logs)))
                found[f"{key}_ci"] = _interval(np.array(logs), np.exp)
        pooled[method] = found
    return pooled


def _interval(values: np.ndarray, back: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Return a 90 % interval of the mean, by a bootstrap of sets."""
    picks = np.random.default_rng(0).integers(len(values), size=(4000, len(values)))
    return back(np.quantile(values[picks].mean(axis=1), [0.05, 0.95])).tolist()
