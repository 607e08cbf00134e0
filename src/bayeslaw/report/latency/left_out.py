"""What a surrogate says of each timing it was fitted to, with that timing left out where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from bayeslaw.models.latency import LatencySurrogate, noise
from bayeslaw.models.latency.conformal import widening
from bayeslaw.models.latency.fitting import floor_variance
from bayeslaw.models.latency.noise import N_NODES
from bayeslaw.models.latency.prediction import mixture_quantiles, quantile_names


@dataclass(frozen=True)
class TimedRows:
    """Hold the prediction of every fitted timing.

    Attributes:
        quantiles: ``p05``, ``p50`` and ``p95`` of a timing [ms], each ``(row,)``.
        measured_ms: What was timed ``(row,)``.
        is_left_out: Whether each row was left out of what predicts it. The constants and the
            kernel saw all rows even then; they are few beside the timings.
    """

    quantiles: Mapping[str, np.ndarray]
    measured_ms: np.ndarray
    is_left_out: bool

    @property
    def log_error(self) -> np.ndarray:
        """Log of measured over the predicted median ``(row,)``."""
        return np.log(self.measured_ms / self.quantiles["p50"])

    @property
    def is_inside(self) -> np.ndarray:
        """Whether each timing lies inside its 90 % interval ``(row,)``."""
        return (self.quantiles["p05"] <= self.measured_ms) & (
            self.measured_ms <= self.quantiles["p95"]
        )


def predict_timed_rows(surrogate: LatencySurrogate) -> TimedRows:
    """Predict each fitted timing from the others, as exactly as its normal score was computed.

    Tables of many thousands of rows have no scores; there the fitted prediction stands.
    """
    measured = surrogate.table["latency_ms"]
    if not len(surrogate.scores):
        return TimedRows(surrogate.predict_rows(surrogate.table), measured, is_left_out=False)
    mean, sd = left_out_mixture(surrogate)
    tails = quantile_names(0.9)
    low, middle, high = mixture_quantiles(mean, sd, list(tails.values()))
    factor = widening(surrogate.scores, 0.9)
    logs = (middle - factor * (middle - low), middle, middle + factor * (high - middle))
    return TimedRows(
        {name: 1e3 * log.exp().numpy() for name, log in zip(tails, logs, strict=True)},
        measured,
        is_left_out=True,
    )


@torch.no_grad()
def left_out_mixture(surrogate: LatencySurrogate) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the normals of each timing's log seconds given the others, mean and sd ``(part, row)``.

    Source: leave-one-out of a Gaussian process, Rasmussen and Williams 2006, equations 5.10-5.12.
    """
    process, table = surrogate.process, surrogate.table
    draws, conditioned, values = process.draws, process.conditioned, process.values()
    own = (2 * values.log_noise[:, process.reader.read(table).figures]).exp()
    floor = torch.as_tensor(floor_variance(table))
    row_variance = own + values.log_repeats.exp()[:, None] * floor
    precision = (conditioned.whitening**2).sum(dim=-2)
    latent = (1 / precision - row_variance * draws.scales).clamp_min(1e-12)
    timing = noise.new_scales(draws.degrees, N_NODES)[:, :, None] * row_variance
    seconds = torch.as_tensor(np.log(table["latency_ms"] / 1e3))
    mean = seconds - conditioned.weights / precision
    return mean.repeat(N_NODES, 1), (latent + timing).sqrt().reshape(-1, len(table))
