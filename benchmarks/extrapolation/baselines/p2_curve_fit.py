"""The procedure of "Scaling Inference-Efficient Language Models", with a bootstrap."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from bayeslaw.errors import UndecidedError
from benchmarks.extrapolation.baselines.forecast import (
    N_DRAWS,
    Columns,
    Forecast,
    bootstrap_counts,
    noise,
    usable_draws,
)

# The authors'. With 5,000, most refits of the smallest public tables give up; with this, hardly any.
_MAX_CALLS = 100_000
# A refit takes up to a second, so each of these is drawn ten times, with noise of its own.
_N_REFITS = 100


def predict(fit: Columns, heldout: Columns, seed: int) -> np.ndarray:
    """Return draws of the log loss of one new run at each held-out place, ``(draw, heldout)``.

    Args:
        fit: ``n_params`` (else ``n``), ``n_tokens``, ``loss_nats``; ``aspect_ratio`` where shapes
            are known; ``trunk`` (codes) where runs share one.
        heldout: The same, without the loss.
        seed: Of the bootstrap and the noise.
    """
    return forecast(fit, heldout, seed).draws


def forecast(fit: Columns, heldout: Columns, seed: int) -> Forecast:
    """Return `predict`'s draws, with how many refits failed.

    ``scipy.optimize.curve_fit`` as the authors call it: least squares on raw loss by
    Levenberg-Marquardt, one start with every coefficient one, nothing bounded, of
    ``(E + A / N**a + B / D**a) (1 + eps R**a)``, N counting all weights, or of the first factor
    alone where a table has no shapes. The authors give no interval: refits to a case bootstrap and
    residuals drawn anew stand in. A refit that does not converge is left out, and counted.

    Source:
        Bian, Yan, Venkataraman (2025), arXiv:2501.18107, and its code (laws.md, section 2.2).

    Raises:
        UndecidedError: The fit itself does not converge, or no refit gives losses.
    """
    rng = np.random.default_rng(seed)
    has_shape = "aspect_ratio" in fit and "aspect_ratio" in heldout
    places, targets = _inputs(fit, has_shape), _inputs(heldout, has_shape)
    loss, n_coefficients = fit["loss_nats"], 5 if has_shape else 4
    best = _fit(places, loss, n_coefficients)
    if best is None:
        raise UndecidedError(
            f"curve_fit does not converge on these {len(loss)} runs from a start of ones; the "
            f"table has no forecast by this baseline"
        )
    residuals = loss - tied_law(places, *best)
    added = noise(residuals, n_coefficients, len(heldout["n_tokens"]), rng)
    refits = []
    for counts in bootstrap_counts(fit, rng)[:_N_REFITS]:
        rows = np.repeat(np.arange(len(loss)), counts.astype(int))
        refits.append(_fit(places[:, rows], loss[rows], n_coefficients))
    n_failed = sum(refit is None for refit in refits)
    refits *= N_DRAWS // _N_REFITS
    kept = [draw for draw, refit in enumerate(refits) if refit is not None]
    with np.errstate(all="ignore"):  # a wild refit may overflow; `usable_draws` counts it
        curves = [tied_law(targets, *refits[draw]) + added[draw] for draw in kept]
    draws, n_no_loss = usable_draws(np.array(curves).reshape(len(kept), -1), rng)
    names = ("E", "A", "B", "alpha", "eps")
    return Forecast(
        draws=draws,
        report={
            **dict(zip(names, best.tolist(), strict=False)),
            "residual_sd": float(residuals.std()),
            "n_failed": n_failed,
            "n_no_loss": n_no_loss,
        },
    )


def tied_law(places: np.ndarray, *theta: float) -> np.ndarray:
    """Return ``(E + A / N**a + B / D**a) (1 + eps R**a)``; the last factor where theta has eps."""
    floor, size, data, alpha = theta[:4]
    base = floor + size / places[0] ** alpha + data / places[1] ** alpha
    return base * (1 + theta[4] * places[2] ** alpha) if len(theta) == 5 else base


def _inputs(columns: Columns, has_shape: bool) -> np.ndarray:
    size = columns["n_params"] if "n_params" in columns else columns["n"]
    shape = [columns["aspect_ratio"]] if has_shape else []
    return np.stack([size, columns["n_tokens"], *shape])


def _fit(places: np.ndarray, loss: np.ndarray, n_coefficients: int) -> np.ndarray | None:
    """Return coefficients, or None where curve_fit gives up or leaves the numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Its covariance, which we do not use, cannot always be had.
        warnings.simplefilter("ignore", OptimizeWarning)
        try:
            theta, _ = curve_fit(
                tied_law, places, loss, p0=np.ones(n_coefficients), method="lm", maxfev=_MAX_CALLS
            )
        except (RuntimeError, ValueError):
            # No convergence in that many calls; or infinite residuals, which MINPACK refuses.
            return None
    return theta if np.isfinite(theta).all() else None
