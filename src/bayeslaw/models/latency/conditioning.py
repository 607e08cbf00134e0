"""The process given the timings, exactly or through a few inducing rows."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from bayeslaw.models.latency import noise
from bayeslaw.models.latency.covariance import (
    Rows,
    Settings,
    process_covariance,
    process_variance,
    total_covariance,
)

N_INDUCING = 512
_CHUNK = 8192
_N_PASSES = 2


@dataclass(frozen=True)
class Conditioned:
    """Hold the process given the timings, under each draw.

    Attributes:
        rows: Those that carry what was learnt: the timed rows, or inducing ones.
        weights: Of each row's covariance in the mean ``(draw, row)``.
        whitening: Turns covariances with the rows into what the timings take away ``(draw, row, row)``.
        giving_back: The same for what inducing rows cannot know; None when exact.
    """

    rows: Rows
    weights: Tensor
    whitening: Tensor
    giving_back: Tensor | None = None

    def at(
        self, rows: Rows, settings: Settings, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """Return the shift of the mean and what variance is taken away, both ``(draw, row)``."""
        n_used = len(settings.session)
        left, right, kernel = (
            _cast(self.rows, dtype),
            _cast(rows, dtype),
            _cast_settings(settings, dtype),
        )
        cross = process_covariance(left, right, kernel)
        shift = (self.weights[:n_used, None].to(dtype) @ cross)[:, 0]
        taken = ((self.whitening[:n_used].to(dtype) @ cross) ** 2).sum(-2)
        if self.giving_back is not None:
            taken = taken - ((self.giving_back[:n_used].to(dtype) @ cross) ** 2).sum(-2)
        return shift.double(), taken.double()

    def of_draw(self, k: int) -> Conditioned:
        """Return the same under one draw alone."""
        one = slice(k, k + 1)
        back = self.giving_back
        return replace(
            self,
            weights=self.weights[one],
            whitening=self.whitening[one],
            giving_back=None if back is None else back[one],
        )

    def joint(self, rows: Rows, settings: Settings) -> tuple[Tensor, Tensor]:
        """Return the shift ``(draw, row)`` and the covariance ``(draw, row, row)``."""
        n_used = len(settings.session)
        cross = process_covariance(self.rows, rows, settings)
        shift = (self.weights[:n_used, None] @ cross)[:, 0]
        white = self.whitening[:n_used] @ cross
        left = process_covariance(rows, rows, settings) - white.transpose(-1, -2) @ white
        if self.giving_back is not None:
            back = self.giving_back[:n_used] @ cross
            left = left + back.transpose(-1, -2) @ back
        return shift, left


@torch.no_grad()
def condition_exactly(
    rows: Rows, residual: Tensor, variance: Tensor, settings: Settings
) -> Conditioned:
    """Condition on all rows (Rasmussen and Williams 2006, algorithm 2.1).

    Args:
        rows: Timed.
        residual: Log latency less log roofline ``(draw, row)``.
        variance: Of each row's noise ``(draw, row)``.
        settings: Of the kernel.
    """
    lower = torch.linalg.cholesky(total_covariance(rows, settings, variance))
    weights = torch.cholesky_solve(residual[..., None], lower)[..., 0]
    return Conditioned(rows, weights, _inverse(lower))


@torch.no_grad()
def condition_sparsely(
    rows: Rows, residual: Tensor, log_noise: Tensor, settings: Settings, generator: torch.Generator
) -> Conditioned:
    """Condition through inducing rows, the optimal variational posterior given them.

    Inducing rows are rows of the table, drawn evenly over it. Scales of the heavy-tailed noise are
    set by a round of expectation-maximisation. What a session shares counts as noise here.

    Source: Titsias 2009, proceedings.mlr.press/v5/titsias09a, equation 10.
    """
    chosen = torch.randperm(len(rows.features), generator=generator)[:N_INDUCING]
    inducing = rows[chosen]
    sigma2 = (2 * log_noise).exp()
    if (rows.sessions >= 0).any():
        sigma2 = sigma2 + (2 * settings.session).exp()[:, None]
    prior = process_covariance(inducing, inducing, settings)
    scale = prior.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    eye = torch.eye(len(chosen), dtype=torch.float64)
    lower = torch.linalg.cholesky(prior + 1e-6 * scale * eye)
    scales = torch.ones_like(sigma2)
    weights, root = torch.zeros_like(residual[:, :1]), eye
    for left_over in reversed(range(_N_PASSES)):
        precision = prior + 1e-6 * scale * eye
        pulled = torch.zeros(len(residual), len(chosen), dtype=torch.float64)
        for part in _chunks(len(residual[0])):
            cross = process_covariance(inducing, rows[part], settings)
            weighed = cross / (sigma2 * scales)[:, None, part]
            precision = precision + weighed @ cross.transpose(-1, -2)
            pulled = pulled + (weighed @ residual[:, part, None])[..., 0]
        root = torch.linalg.cholesky(precision)
        weights = torch.cholesky_solve(pulled[..., None], root)[..., 0]
        found = Conditioned(inducing, weights, _inverse(lower), _inverse(root))
        if not left_over:
            return found
        for part in _chunks(len(residual[0])):
            shift, taken = found.at(rows[part], settings)
            left = (process_variance(rows[part], settings) - taken).clamp_min(0.0)
            sd = (sigma2[:, part] + left).sqrt()
            scales[:, part] = noise.mode_scales(residual[:, part] - shift, sd)
    raise AssertionError("there is at least one pass")


def _chunks(n_rows: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, n_rows, _CHUNK)]


def _inverse(lower: Tensor) -> Tensor:
    eye = torch.eye(lower.shape[-1], dtype=lower.dtype).expand_as(lower)
    return torch.linalg.solve_triangular(lower, eye, upper=False)


def _cast(rows: Rows, dtype: torch.dtype) -> Rows:
    return replace(
        rows,
        features=rows.features.to(dtype),
        linear=rows.linear.to(dtype),
        shares=rows.shares.to(dtype),
    )


def _cast_settings(settings: Settings, dtype: torch.dtype) -> Settings:
    parts = (getattr(settings, field.name).to(dtype) for field in fields(settings))
    return Settings(*parts)
