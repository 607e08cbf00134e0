"""Covariance of what the roofline leaves over, many settings in one batch, and its likelihood.

Row i's residual is the sum of what prefill and decode leave over, weighed by their shares a of the
row's time, a linear part, what is a model's own, what its session shares, and noise:

    C_ij = sum_q a_iq a_jq (s_q^2 k(x_i, x_j) + u^2 [same model]) + l_i l_j'
           + v^2 [same session] + D_i [i = j]

so that TTFT, TPOT and whole requests are one process and agree. Gradients are written out: they
cost a tenth of what autograd takes through a batch of Cholesky factors.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

JITTER = 1e-9


@dataclass(frozen=True)
class Rows:
    """Hold what the covariance needs of each row.

    Attributes:
        features: Of the process ``(row, feature)``.
        linear: Of the linear part, each scaled by its prior sd ``(row, linear)``.
        shares: Of prefill and decode in the row's time ``(row, 2)``.
        sessions: Number of the session it was taken in ``(row,)``; negative where unknown.
        models: Number of its model ``(row,)``; negative where no model was timed twice.
    """

    features: Tensor
    linear: Tensor
    shares: Tensor
    sessions: Tensor
    models: Tensor

    def __getitem__(self, rows: slice | Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.features[rows],
            self.linear[rows],
            self.shares[rows],
            self.sessions[rows],
            self.models[rows],
        )


@dataclass(frozen=True)
class Settings:
    """Hold kernel values in logs, one a draw.

    Attributes:
        amplitude: Log sd of the process in prefill and in decode ``(draw, 2)``.
        lengthscales: Log of each feature's, in doublings ``(draw, feature)``.
        session: Log sd of what a session shares ``(draw,)``.
        model: Log sd of what is a model's own, whatever it serves ``(draw,)``.
    """

    amplitude: Tensor
    lengthscales: Tensor
    session: Tensor
    model: Tensor

    def of_draw(self, k: int) -> Settings:
        """Return those of one draw."""
        return Settings(*(getattr(self, field.name)[k : k + 1] for field in fields(self)))


def matern(left: Tensor, right: Tensor, lengthscales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the ARD Matern-5/2 correlation, and its parts for a gradient.

    Args:
        left: ``(left, feature)``.
        right: ``(right, feature)``.
        lengthscales: ``(draw, feature)``.

    Returns:
        Correlation, ``(1 + d) exp(-d)`` and the scaled left features, ``(draw, left, ...)``.

    Source: Rasmussen and Williams 2006, equation 4.17.
    """
    scaled_left = left / lengthscales[:, None]
    scaled_right = right / lengthscales[:, None]
    squared = (
        (scaled_left**2).sum(-1)[:, :, None]
        + (scaled_right**2).sum(-1)[:, None, :]
        - 2 * scaled_left @ scaled_right.transpose(-1, -2)
    )
    squared = 5.0 * squared.clamp_min(0.0)
    distance = squared.sqrt()
    fall = torch.exp(-distance)
    slope = (1 + distance) * fall
    return slope + squared / 3 * fall, slope, scaled_left


def process_covariance(left: Rows, right: Rows, settings: Settings) -> Tensor:
    """Return the covariance of the process and its linear part, ``(draw, left, right)``."""
    correlation, _, _ = matern(left.features, right.features, settings.lengthscales.exp())
    weights = (2 * settings.amplitude).exp()[:, None] * left.shares
    own = _by_draw(settings.model) * same_model(left, right)
    return correlation * (weights @ right.shares.T) + left.linear @ right.linear.T + own


def process_variance(rows: Rows, settings: Settings) -> Tensor:
    """Return the diagonal of `process_covariance`, ``(draw, row)``."""
    squares = rows.shares**2
    kernel = (2 * settings.amplitude).exp() @ squares.T
    own = (2 * settings.model).exp()[:, None] * squares.sum(-1) * (rows.models >= 0)
    return kernel + own + (rows.linear**2).sum(-1)


def same_model(left: Rows, right: Rows) -> Tensor:
    """Return how much of two rows' time is the same phase of one model, ``(left, right)``."""
    same = (left.models[:, None] == right.models[None]) & (left.models[:, None] >= 0)
    return same * (left.shares @ right.shares.T)


def same_session(left: Rows, right: Rows) -> Tensor:
    """Return 1 where two rows were taken in one known session, else 0, ``(left, right)``."""
    same = (left.sessions[:, None] == right.sessions[None]) & (left.sessions[:, None] >= 0)
    return same.to(left.features.dtype)


def total_covariance(rows: Rows, settings: Settings, noise: Tensor) -> Tensor:
    """Return the measurements' covariance, noise ``(draw, row)`` on its diagonal."""
    shared = _by_draw(settings.session) * same_session(rows, rows)
    return process_covariance(rows, rows, settings) + shared + torch.diag_embed(noise + JITTER)


def log_likelihood(
    residual: Tensor, settings: Settings, log_noise: Tensor, noise_scale: Tensor, rows: Rows
) -> Tensor:
    """Return the log density of residuals without its constant, ``(draw,)``; differentiable.

    Args:
        residual: Log latency less log roofline ``(draw, row)``.
        settings: Of the kernel.
        log_noise: Log sd of a timing of each row ``(draw, row)``.
        noise_scale: Factor on its variance that is not differentiated ``(draw, row)``.
        rows: What the covariance needs of each.
    """
    found = _LogLikelihood.apply(
        residual, settings.amplitude, settings.lengthscales, settings.session, settings.model,
        log_noise, noise_scale, rows,
    )  # fmt: skip
    assert isinstance(found, Tensor)
    return found


class _LogLikelihood(torch.autograd.Function):
    """Value and gradient of the Gaussian log density (Rasmussen and Williams 2006, eq. 5.9)."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx, residual, amplitude, lengthscales, session, model, log_noise, noise_scale, rows
    ):
        correlation, slope, scaled = matern(rows.features, rows.features, lengthscales.exp())
        per_phase = rows.shares.T[:, :, None] * rows.shares.T[:, None, :]
        variances = (2 * amplitude).exp()
        mixed = torch.einsum("dq,qij->dij", variances, per_phase)
        shared = _by_draw(session) * same_session(rows, rows)
        own = _by_draw(model) * same_model(rows, rows)
        noise = (2 * log_noise).exp() * noise_scale
        total = correlation * mixed + rows.linear @ rows.linear.T + shared + own
        lower, failed = torch.linalg.cholesky_ex(total + torch.diag_embed(noise + JITTER))
        is_bad = (failed > 0) | ~torch.isfinite(lower).flatten(1).all(-1)
        if is_bad.any():  # a trajectory that left for nowhere: value -inf, gradient of no use
            lower = torch.where(is_bad[:, None, None], torch.eye(lower.shape[-1]).to(lower), lower)
        solved = torch.cholesky_solve(residual[..., None], lower)[..., 0]
        value = -0.5 * (residual * solved).sum(-1)
        value = value - lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        value = torch.where(is_bad, torch.full_like(value, -torch.inf), value)
        pull = 0.5 * (solved[:, :, None] * solved[:, None] - torch.cholesky_inverse(lower))
        by_phase = torch.einsum("dij,qij->dq", pull * correlation, per_phase)
        push = pull * mixed * slope
        rowwise = push.sum(-1)[..., None]
        stretch = (rowwise * scaled**2).sum(-2) - (scaled * (push @ scaled)).sum(-2)
        ctx.save_for_backward(
            solved,
            2 * variances * by_phase,
            (10.0 / 3.0) * stretch,
            2 * (pull * shared).sum((-1, -2)),
            2 * (pull * own).sum((-1, -2)),
            2 * pull.diagonal(dim1=-2, dim2=-1) * noise,
        )
        return value

    @staticmethod
    def backward(ctx, *upstream):  # type: ignore[override]
        solved, amplitude, lengthscales, session, model, noise = ctx.saved_tensors
        up = upstream[0]
        column = up[:, None]
        return (
            -column * solved,
            column * amplitude,
            column * lengthscales,
            up * session,
            up * model,
            column * noise,
            None,
            None,
        )


def _by_draw(log_sd: Tensor) -> Tensor:
    """Return variances to multiply matrices with, ``(draw, 1, 1)``."""
    return (2 * log_sd).exp()[:, None, None]
