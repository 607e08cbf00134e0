"""Published power laws of optima, refitted: how the best size, rate and batch grow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmarks.published.tables import DATA

# Stage of Porian et al. to (hparams, warmup, decay, param_count_def) of its rows.
_STAGES = {
    "kaplan_setup": ("base", "long", "kaplan", "kaplan"),
    "last_layer_flops": ("base", "long", "kaplan", "standard"),
    "warmup": ("base", "short", "kaplan", "standard"),
    "cosine": ("base", "short", "chinchilla", "standard"),
    "tuned": ("tuned", "short", "const", "standard"),
}
_NEAR_BEST = 0.01
"""Runs of a sweep within this log loss of its best say where the best rate and batch are."""


def porian_exponents(n_resamples: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Return stage to (exponent, its standard error, largest budget [FLOP]).

    For each budget a parabola through log loss against log N gives the best size; the exponent is
    the slope of its logarithm against log budget. Points of each budget are resampled.
    """
    rows = pd.read_csv(DATA / "porian" / "isoflop_points.csv")
    keys = ["hparams", "warmup", "decay", "param_count_def"]
    rng = np.random.default_rng(seed)
    found = {}
    for stage, values in _STAGES.items():
        part = pd.DataFrame(rows[(rows[keys] == list(values)).all(axis=1)])
        slope = _slope(part)
        again = []
        for _ in range(n_resamples):
            drawn = [g.sample(len(g), replace=True, random_state=rng) for _, g in _budgets(part)]
            again.append(_slope(pd.concat(drawn)))
        found[stage] = (slope, _spread(np.array(again)), float(part.flops.max()))
    return found


def _budgets(rows: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    return [
        (flops, pd.DataFrame(rows[rows.flops == flops]))
        for flops in np.unique(rows.flops.to_numpy())
    ]


def _slope(rows: pd.DataFrame) -> float:
    logs = []
    for flops, group in _budgets(rows):
        # The valley: the best point and its neighbours, for far from it no parabola holds.
        group = group[group.loss <= 1.1 * group.loss.min()]
        if group.N.nunique() < 3:
            continue
        curvature, tilt, _ = np.polyfit(np.log(group.N), np.log(group.loss), 2)
        if curvature > 0:
            logs.append((np.log(flops), -tilt / (2 * curvature)))
    if len(logs) < 3:
        return float("nan")
    x, y = np.array(logs).T
    return float(np.polyfit(x, y, 1)[0])


def step_law_powers(n_resamples: int, seed: int) -> Mapping[str, tuple[float, float]]:
    """Return the powers of N and D in the best rate and batch: (power, its standard error).

    Of each sweep (one size, one budget) the runs within 1 % of its best loss are averaged, in
    logarithms, weighted towards the best; the powers are least squares over sweeps, which are
    resampled.
    """
    rows = pd.read_csv(DATA / "steplaw" / "dense_runs.csv")
    sweeps = []
    for n, d in np.unique(rows[["N_nonembed", "D_tokens"]].to_numpy(float), axis=0):
        group = rows[(rows.N_nonembed == n) & (rows.D_tokens == d)]
        gap = np.log(group.loss_smooth / group.loss_smooth.min())
        weight = np.clip(1 - gap / _NEAR_BEST, 0, None)
        rate = np.average(np.log(group.lr), weights=weight)
        batch = np.average(np.log(group.batch_size_seqs * 2048), weights=weight)
        sweeps.append((np.log(n), np.log(d), rate, batch))
    table = np.array(sweeps)
    rng = np.random.default_rng(seed)
    again = [_powers(table[rng.integers(0, len(table), len(table))]) for _ in range(n_resamples)]
    names = ("rate_n_power", "rate_d_power", "batch_d_power")
    spread = [_spread(values) for values in np.array(again).T]
    return {k: (float(v), s) for k, v, s in zip(names, _powers(table), spread, strict=True)}


def _spread(values: np.ndarray) -> float:
    """Return half of the middle 68 %: a standard error that a few wild resamples do not rule."""
    return float(np.diff(np.nanquantile(values, [0.16, 0.84]))[0] / 2)


def _powers(sweeps: np.ndarray) -> np.ndarray:
    n, d, rate, batch = sweeps.T
    if len(np.unique(n)) < 2 or len(np.unique(d)) < 3:
        return np.full(3, np.nan)
    of_rate = np.linalg.lstsq(np.stack([np.ones_like(n), n, d], 1), rate, rcond=None)[0]
    of_batch = np.linalg.lstsq(np.stack([np.ones_like(d), d], 1), batch, rcond=None)[0]
    return np.array([of_rate[1], of_rate[2], of_batch[1]])
