"""What rooflines leave over alike on every device: a shape that all of them run badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency.chains import find_mode
from bayeslaw.models.latency.conditioning import Conditioned, condition_exactly
from bayeslaw.models.latency.covariance import Settings, log_likelihood
from bayeslaw.models.latency.layout import AMPLITUDE, LENGTHSCALE_DOUBLINGS
from bayeslaw.models.latency.rows import Reader
from bayeslaw.runs import LatencyTable

_LEARNING_ROWS = 400
_NOISE = 0.05
_NOTHING = -20.0  # log sd of what sessions share and what is a model's own


@dataclass(frozen=True)
class SharedTrend:
    """Predict log latency over the roofline from what other devices left over.

    Attributes:
        reader: Of tables.
        conditioned: The process given their residuals.
        settings: Of its kernel, one draw.
        weighing: Log constants by which phases are weighed ``(1, constant)``.
    """

    reader: Reader
    conditioned: Conditioned
    settings: Settings
    weighing: Tensor

    def __call__(self, table: LatencyTable) -> np.ndarray:
        """Return the trend at each row in log latency, ``(row,)``."""
        inputs = self.reader.read(table, self.weighing)
        shift, _ = self.conditioned.at(inputs.rows, self.settings)
        return shift[0].numpy()


def fit_trend(
    table: LatencyTable, residual: np.ndarray, reader: Reader, weighing: Tensor, seed: int
) -> SharedTrend:
    """Fit a Gaussian process to the residuals of several devices at once.

    Devices that disagree about a shape do so as noise: what is left is what they share.

    Args:
        table: Rows of all devices.
        residual: Log latency less each device's own roofline ``(row,)``.
        reader: Of the table.
        weighing: Log constants by which phases are weighed ``(1, constant)``.
        seed: Of the part that the kernel is learnt from.
    """
    inputs = reader.read(table, weighing)
    target = torch.as_tensor(residual)[None]
    generator = torch.Generator().manual_seed(seed)
    part = torch.randperm(len(table), generator=generator)[:_LEARNING_ROWS]
    rows, some = inputs.rows[part], target[:, part]

    def read(z: Tensor) -> tuple[Settings, Tensor]:
        amplitude = np.log(AMPLITUDE[0]) + AMPLITUDE[1] * z[:, :2]
        noise = np.log(_NOISE) + z[:, 2:3]
        lengthscales = np.log(LENGTHSCALE_DOUBLINGS[0]) + LENGTHSCALE_DOUBLINGS[1] * z[:, 3:]
        nothing = torch.full_like(z[:, 0], _NOTHING)
        return Settings(amplitude, lengthscales, nothing, nothing), noise

    def log_density(z: Tensor, scales: Tensor) -> Tensor:
        settings, noise = read(z)
        noises = noise.expand(-1, len(part))
        found = log_likelihood(some.expand(len(z), -1), settings, noises, scales, rows)
        return found - 0.5 * (z**2).sum(-1)

    scales = torch.ones(1, len(part), dtype=torch.float64)
    mode = find_mode(log_density, np.zeros(3 + len(reader.names)), scales, 40)
    settings, noise = read(torch.as_tensor(mode)[None])
    variance = (2 * noise).exp().expand(-1, len(table))
    conditioned = condition_exactly(inputs.rows, target, variance, settings)
    return SharedTrend(reader, conditioned, settings, weighing)
