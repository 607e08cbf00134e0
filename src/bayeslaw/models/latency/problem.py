"""The posterior of everything unknown of a device, and the moves of its chains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency import noise
from bayeslaw.models.latency.chains import Draws, find_mode
from bayeslaw.models.latency.conditioning import Conditioned, condition_exactly, condition_sparsely
from bayeslaw.models.latency.conformal import left_out_scores
from bayeslaw.models.latency.covariance import log_likelihood, total_covariance
from bayeslaw.models.latency.layout import Layout, Values
from bayeslaw.models.latency.roofline import figure_log_seconds
from bayeslaw.models.latency.rows import Inputs

_N_NOISE_STEPS = 6


@dataclass(frozen=True)
class Problem:
    """Hold what stays as it is during a fit.

    Attributes:
        layout: Of whitened points.
        inputs: Of the rows.
        target: Log seconds, less what other devices taught ``(row,)``.
        floor: Variance that repeats show of each row's median ``(row,)``.
    """

    layout: Layout
    inputs: Inputs
    target: Tensor
    floor: Tensor

    def residual(self, values: Values) -> Tensor:
        """Return log latency less log roofline, ``(draw, row)``."""
        return self.target - figure_log_seconds(values.log_constants, self.inputs.passes)

    def log_noise(self, values: Values) -> Tensor:
        """Return the log sd of each row's noise, ``(draw, row)``."""
        own = (2 * values.log_noise[:, self.inputs.figures]).exp()
        return 0.5 * (own + values.log_repeats.exp()[:, None] * self.floor).log()

    def log_density(self, z: Tensor, scales: Tensor) -> Tensor:
        """Return the log posterior density of whitened points, ``(draw,)``; differentiable."""
        values = self.layout.read(z)
        likelihood = log_likelihood(
            self.residual(values),
            values.settings,
            self.log_noise(values),
            scales,
            self.inputs.rows,
        )
        return likelihood - 0.5 * (z**2).sum(-1)

    def find_mode(self) -> tuple[Problem, np.ndarray, Tensor]:
        """Return the problem with phases weighed at the mode, the mode and the noise's scales."""
        n_rows = len(self.target)
        scales = torch.ones(1, n_rows, dtype=torch.float64)
        start = np.zeros(self.layout.n_coefficients)
        mode = find_mode(self.log_density, start, scales, 60)
        weighed = self
        for _ in range(5):
            constants = self.layout.read(torch.as_tensor(mode)[None]).log_constants
            weighed = Problem(
                self.layout, self.inputs.with_shares(constants), self.target, self.floor
            )
            errors, sd = weighed.left_out_errors(torch.as_tensor(mode)[None], scales)
            scales = noise.mode_scales(errors, sd)
            mode = find_mode(weighed.log_density, mode, scales, 15)
        return weighed, mode, scales

    @torch.no_grad()
    def left_out_errors(self, z: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        """Return each row's error when it is left out, and its sd without the tail (RW06, 5.12)."""
        values = self.layout.read(z)
        sigma2 = (2 * self.log_noise(values)).exp()
        total = total_covariance(self.inputs.rows, values.settings, sigma2 * scales)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(total))
        precision = inverse.diagonal(dim1=-2, dim2=-1)
        errors = (inverse @ self.residual(values)[..., None])[..., 0] / precision
        variance = 1 / precision + sigma2 * (1 - scales)
        return errors, variance.clamp_min(1e-12).sqrt()

    @torch.no_grad()
    def refresh(
        self, z: Tensor, scales: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw each row's noise given everything else, then all that the noise depends on.

        Its sigmas and degrees of freedom are drawn with the scales integrated out, because given
        the scales they would hardly move.
        """
        errors = self._draw_errors(z, scales, generator)
        degrees = noise.draw_degrees(errors / self._sd(z), generator)
        columns = self.layout.noise_columns
        logs = self._noise_log_density(z, errors, degrees)
        for _ in range(_N_NOISE_STEPS):
            step = torch.zeros_like(z)
            width = columns.stop - columns.start
            step[:, columns] = 0.4 * torch.randn(
                len(z), width, generator=generator, dtype=torch.float64
            )
            proposed = z + step
            new_logs = self._noise_log_density(proposed, errors, degrees)
            dice = torch.rand(len(z), generator=generator, dtype=torch.float64)
            take = dice.log() < new_logs - logs
            z, logs = torch.where(take[:, None], proposed, z), torch.where(take, new_logs, logs)
            degrees = noise.draw_degrees(errors / self._sd(z), generator)
            logs = self._noise_log_density(z, errors, degrees)
        return z, noise.draw_scales(errors / self._sd(z), degrees, generator), degrees

    def _sd(self, z: Tensor) -> Tensor:
        return self.log_noise(self.layout.read(z)).exp()

    def _noise_log_density(self, z: Tensor, errors: Tensor, degrees: Tensor) -> Tensor:
        prior = -0.5 * (z[:, self.layout.noise_columns] ** 2).sum(-1)
        return prior + noise.log_density(errors, self._sd(z), degrees)

    def _draw_errors(self, z: Tensor, scales: Tensor, generator: torch.Generator) -> Tensor:
        values = self.layout.read(z)
        variance = (2 * self.log_noise(values)).exp() * scales
        lower, failed = torch.linalg.cholesky_ex(
            total_covariance(self.inputs.rows, values.settings, variance)
        )
        solved = torch.cholesky_solve(self.residual(values)[..., None], lower)[..., 0]
        reach = torch.linalg.solve_triangular(lower, torch.diag_embed(variance), upper=False)
        left = torch.diag_embed(variance * (1 + 1e-6)) - reach.transpose(-1, -2) @ reach
        root, failed_too = torch.linalg.cholesky_ex(left)
        white = torch.randn(*variance.shape, 1, generator=generator, dtype=torch.float64)
        drawn = variance * solved + (root @ white)[..., 0]
        # Where rounding leaves no root the mean of the noise stands for a draw of it.
        is_bad = ((failed > 0) | (failed_too > 0))[:, None]
        return torch.where(is_bad, (variance * solved).nan_to_num(), drawn)

    def condition_exactly(self, draws: Draws) -> Conditioned:
        """Condition the process on all rows under each draw."""
        values = self.layout.read(draws.values)
        variance = (2 * self.log_noise(values)).exp() * draws.scales
        return condition_exactly(self.inputs.rows, self.residual(values), variance, values.settings)

    def left_out_scores(self, draws: Draws, conditioned: Conditioned) -> np.ndarray:
        """Return each row's normal score under the others, ``(row,)``."""
        values = self.layout.read(draws.values)
        variance = (2 * self.log_noise(values)).exp()
        timing = noise.new_scales(draws.degrees, noise.N_NODES)[:, :, None] * variance
        return left_out_scores(
            self.residual(values), conditioned.whitening, timing, variance * draws.scales
        )

    def condition_sparsely(self, draws: Draws, generator: torch.Generator) -> Conditioned:
        """Condition the process through inducing rows under each draw."""
        values = self.layout.read(draws.values)
        return condition_sparsely(
            self.inputs.rows,
            self.residual(values),
            self.log_noise(values),
            values.settings,
            generator,
        )
