"""Gaussian process on what the roofline leaves over, many hyperparameters in one batch.

Written out instead of GPyTorch because every draw of the constants changes the mean as well as
the kernel: a fit is a batch of 64 small Cholesky factors, and a prediction is their mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

JITTER = 1e-10


@dataclass(frozen=True)
class Hyperparameters:
    """Hold kernel values, one a draw.

    Attributes:
        amplitude: Standard deviation of the residual in log latency ``(draw,)``.
        lengthscales: Doublings of each feature over which it stays alike ``(draw, feature)``.
        noise: Standard deviation of a repeated measurement in log latency ``(draw,)``.
        session: Standard deviation of what all timings of one session share ``(draw,)``.
    """

    amplitude: Tensor
    lengthscales: Tensor
    noise: Tensor
    session: Tensor


def matern52(left: Tensor, right: Tensor, hyper: Hyperparameters) -> Tensor:
    """Return the ARD Matern-5/2 covariance, ``(draw, left, right)``.

    Source: Rasmussen and Williams 2006, equation 4.17.
    """
    scaled_left = left / hyper.lengthscales[:, None, :]
    scaled_right = right / hyper.lengthscales[:, None, :]
    squared = (
        (scaled_left**2).sum(-1)[:, :, None]
        + (scaled_right**2).sum(-1)[:, None, :]
        - 2 * scaled_left @ scaled_right.transpose(-1, -2)
    )
    # Rounding makes equal points slightly negative; the root needs a gradient at zero.
    distance = (5.0 * squared.clamp_min(1e-20)).sqrt()
    shape = (1 + distance + distance**2 / 3) * torch.exp(-distance)
    return hyper.amplitude[:, None, None] ** 2 * shape


def factor(
    features: Tensor, floor_variance: Tensor, sessions: Tensor, hyper: Hyperparameters
) -> Tensor:
    """Return the Cholesky factor of the measurements' covariance, ``(draw, row, row)``.

    ``floor_variance`` is each row's own, known part of the noise in log latency ``(row,)``, and
    ``sessions`` numbers the session that each was taken in ``(row,)``.
    """
    covariance = matern52(features, features, hyper)
    is_shared = (sessions[:, None] == sessions[None, :]).to(covariance.dtype)
    covariance = covariance + hyper.session[:, None, None] ** 2 * is_shared
    noise = hyper.noise[:, None] ** 2 + floor_variance + JITTER
    lower, _ = torch.linalg.cholesky_ex(covariance + torch.diag_embed(noise))
    return lower


def log_likelihood(residual: Tensor, lower: Tensor) -> Tensor:
    """Return the log density of residuals ``(draw, row)`` without its constant, ``(draw,)``."""
    whitened = torch.linalg.solve_triangular(lower, residual[..., None], upper=False)[..., 0]
    return -0.5 * (whitened**2).sum(-1) - lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def condition(
    features: Tensor, residual: Tensor, lower: Tensor, at: Tensor, hyper: Hyperparameters
) -> tuple[Tensor, Tensor]:
    """Return mean ``(draw, at)`` and whitened cross-covariance ``(draw, row, at)`` at new points.

    Source: Rasmussen and Williams 2006, algorithm 2.1.
    """
    cross = torch.linalg.solve_triangular(lower, matern52(features, at, hyper), upper=False)
    whitened = torch.linalg.solve_triangular(lower, residual[..., None], upper=False)
    return (cross.transpose(-1, -2) @ whitened)[..., 0], cross
