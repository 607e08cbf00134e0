"""How a whitened point is read: constants, kernel and noise, each with its prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency.constants import CONSTANTS, Ceilings, ConstantsPrior
from bayeslaw.models.latency.covariance import Settings

FIGURES = ("ttft_ms", "forward_ms", "tpot_ms", "e2el_ms")
"""Latency figures, in the order of their noise."""

# Medians and log standard deviations of log-normal priors, in log latency or doublings. A fitted
# roofline is a few percent off; repeats agree within about 1 %; clocks, neighbours and memory
# layout move a whole session by a few percent.
AMPLITUDE = (0.05, 1.0)
NOISE = (0.01, 1.2)
SESSION = (0.02, 0.7)
# Models of one shape differ by what an engine does with them: fused layers, odd vocabularies.
MODEL = (0.02, 1.0)
LENGTHSCALE_DOUBLINGS = (2.5, 0.8)
# Share of the variance that repeats show which their median has: a slow first call or a burst
# spreads repeats and leaves the median where it is.
REPEATS = (0.2, 1.5)


@dataclass(frozen=True)
class Values:
    """Hold what whitened points mean, one a draw.

    Attributes:
        log_constants: In FLOP/s, byte/s and seconds ``(draw, constant)``.
        settings: Of the kernel.
        log_noise: Log sd of a timing, by figure ``(draw, figure)``.
        log_repeats: Log share of the repeats' variance that counts ``(draw,)``.
    """

    log_constants: Tensor
    settings: Settings
    log_noise: Tensor
    log_repeats: Tensor


@dataclass(frozen=True)
class Layout:
    """Map whitened points (prior: standard normal) to values.

    Attributes:
        ceilings: Of the device.
        prior: On its constants.
        n_features: Of the process.
    """

    ceilings: Ceilings
    prior: ConstantsPrior
    n_features: int

    @property
    def n_coefficients(self) -> int:
        """Coordinates of a whitened point."""
        return len(CONSTANTS) + 2 + 3 + len(FIGURES) + self.n_features

    @property
    def noise_columns(self) -> slice:
        """Coordinates that the noise alone depends on."""
        first = len(CONSTANTS) + 4
        return slice(first, first + 1 + len(FIGURES))

    def read(self, z: Tensor) -> Values:
        """Read points ``(draw, coefficient)``."""
        mean = torch.as_tensor(self.prior.mean + self.ceilings.log_scales())
        root = torch.as_tensor(np.ascontiguousarray(self.prior.root.T))
        sizes = (len(CONSTANTS), 2, 1, 1, 1, len(FIGURES), self.n_features)
        constants, amplitude, session, model, repeats, figures, lengthscales = z.split(
            sizes, dim=-1
        )
        return Values(
            mean + constants @ root,
            Settings(
                amplitude=_log_normal(amplitude, AMPLITUDE),
                session=_log_normal(session[:, 0], SESSION),
                model=_log_normal(model[:, 0], MODEL),
                lengthscales=_log_normal(lengthscales, LENGTHSCALE_DOUBLINGS),
            ),
            _log_normal(figures, NOISE),
            _log_normal(repeats[:, 0], REPEATS),
        )


def _log_normal(z: Tensor, prior: tuple[float, float]) -> Tensor:
    median, log_sd = prior
    return math.log(median) + log_sd * z
