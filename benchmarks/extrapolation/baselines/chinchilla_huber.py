"""Chinchilla's approach 3 with a bootstrap: what most papers do."""

from __future__ import annotations

import numpy as np

from benchmarks.extrapolation.baselines.forecast import (
    Columns,
    Forecast,
    bootstrap_counts,
    noise,
)
from benchmarks.extrapolation.baselines.huber import HuberFits, fit_huber, starting_points

N_COEFFICIENTS = 5
_N_BASINS = 3
_N_STARTS = 12
_RACE = ((4, 8), (2, 20), (1, 400))  # racers kept, and the steps after which they are chosen


def predict(fit: Columns, heldout: Columns, seed: int) -> np.ndarray:
    """Return draws of the log loss of one new run at each held-out place, ``(draw, heldout)``.

    Args:
        fit: ``n``, ``n_tokens``, ``loss_nats``, and ``trunk`` (codes) where runs share one.
        heldout: ``n`` and ``n_tokens``.
        seed: Of the bootstrap and the noise.
    """
    return forecast(fit, heldout, seed).draws


def forecast(fit: Columns, heldout: Columns, seed: int) -> Forecast:
    """Return `predict`'s draws, and the fit behind them.

    Huber (.001) on log loss, unbounded, the best of 75 starts; a case bootstrap, by trunk where
    there are trunks, each refit started at the fit and at the next best basins; and noise: the
    fit's own residuals drawn anew, widened for the five coefficients.

    Source:
        Hoffmann et al. (2022), arXiv:2203.15556, section 3.3, for loss and form; Besiroglu et al.
        (2024), arXiv:2404.10102, for the case bootstrap.
    """
    rng = np.random.default_rng(seed)
    fits = point_fits(fit)
    best = fits.best()
    residuals = np.log(fit["loss_nats"]) - best.log_losses(fit["n"], fit["n_tokens"])[0]
    n_heldout = len(heldout["n_tokens"])
    added = noise(residuals, N_COEFFICIENTS, n_heldout, rng)
    refits = bootstrap(fit, fits, bootstrap_counts(fit, rng))
    curves = refits.log_losses(heldout["n"], heldout["n_tokens"])
    coefficients = {name: float(values[0]) for name, values in best.coefficients().items()}
    return Forecast(
        draws=curves + added,
        report={
            **coefficients,
            "objective": float(best.objective[0]),
            "residual_sd": float(residuals.std()),
            "n_unsettled": int((~refits.has_settled).sum()),
        },
    )


def point_fits(fit: Columns) -> HuberFits:
    """Return the fits from all starts, every run counted once."""
    starts = starting_points(fit["loss_nats"])
    counts = np.ones((len(starts), len(fit["n"])))
    return fit_huber(fit["n"], fit["n_tokens"], fit["loss_nats"], counts, starts)


def bootstrap(fit: Columns, fits: HuberFits, counts: np.ndarray) -> HuberFits:
    """Return a refit for each row of counts, by a race of 12 starts.

    The starts are the fit's own distinct basins and spread points; after a few steps the best four
    of each refit go on, then the best two, to the end.
    """
    n_refits = len(counts)
    basins = _basins(fits)
    spread = starting_points(fit["loss_nats"])
    others = spread[np.linspace(0, len(spread) - 1, _N_STARTS - len(basins)).astype(int)]
    racers = np.tile(np.concatenate([basins, others]), (n_refits, 1, 1))
    for n_kept, max_steps in _RACE:
        n_racers = racers.shape[1]
        ends = fit_huber(
            fit["n"],
            fit["n_tokens"],
            fit["loss_nats"],
            np.repeat(counts, n_racers, axis=0),
            racers.reshape(-1, 5),
            max_steps=max_steps,
            tolerance=1e-7,
        )
        order = np.argsort(ends.objective.reshape(n_refits, n_racers), axis=1)[:, :n_kept]
        rows = order + n_racers * np.arange(n_refits)[:, None]
        racers = ends.theta[rows]
    rows = rows[:, 0]
    return HuberFits(ends.theta[rows], ends.objective[rows], fits.centre, ends.has_settled[rows])


def _basins(fits: HuberFits) -> np.ndarray:
    """Return the best ends that differ, three at most, ``(basin, 5)``."""
    chosen: list[int] = []
    for row in np.argsort(fits.objective):
        apart = [np.abs(fits.theta[row] - fits.theta[other]).max() > 0.1 for other in chosen]
        if all(apart):
            chosen.append(int(row))
        if len(chosen) == _N_BASINS:
            break
    return fits.theta[chosen]
