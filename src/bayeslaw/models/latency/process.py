"""Latency around a roofline that is learnt too: every unknown is integrated over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency import noise
from bayeslaw.models.latency.chains import Draws
from bayeslaw.models.latency.conditioning import Conditioned
from bayeslaw.models.latency.covariance import (
    process_variance,
)
from bayeslaw.models.latency.layout import Layout, Values
from bayeslaw.models.latency.roofline import figure_log_seconds
from bayeslaw.models.latency.rows import Inputs, Reader
from bayeslaw.runs import LatencyTable

_CHUNK = 16384

Offset = Callable[[LatencyTable], np.ndarray]


@dataclass(frozen=True)
class LatencyProcess:
    """Predict log latency; build it with `fit_process`.

    Attributes:
        layout: Of whitened points.
        reader: Of tables.
        draws: Of everything unknown.
        conditioned: The process given the timings, under each draw.
        weighing: Log constants by which phases are weighed ``(1, constant)``.
        usual_floor: Variance of a median that repeats show, the median over the timings.
        offset: What other devices taught, added to the mean; None where nothing did.
        scores: Normal scores of left-out timings ``(row,)``; empty when variational.
        method: ``untimed``, ``chains``, ``laplace`` or ``variational``.
    """

    layout: Layout
    reader: Reader
    draws: Draws
    conditioned: Conditioned
    weighing: Tensor
    usual_floor: float
    offset: Offset | None
    scores: np.ndarray
    method: str

    def read(self, table: LatencyTable) -> Inputs:
        """Return a table's inputs, phases weighed as in the fit."""
        return self.reader.read(table, self.weighing)

    def values(self, n_used: int | None = None) -> Values:
        """Return the constants, kernel and noise of each draw."""
        return self.layout.read(self.draws.values[:n_used])

    def marginals(
        self, table: LatencyTable, n_used: int | None = None, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """Return mean and sd of each row's log seconds, both ``(draw, row)``.

        Args:
            table: What is asked, in chunks of 16,384 rows.
            n_used: Draws used, all by default.
            dtype: Of the kernel's arithmetic; float32 is enough for large pools.
        """
        values = self.values(n_used)
        parts = []
        for start in range(0, len(table), _CHUNK):
            part = table
            if len(table) > _CHUNK:
                part = table.where(np.arange(start, min(start + _CHUNK, len(table))))
            parts.append(self._marginals(part, values, dtype))
        means, sds = zip(*parts, strict=True)
        return torch.cat(means, dim=-1), torch.cat(sds, dim=-1)

    def _marginals(
        self, table: LatencyTable, values: Values, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        inputs = self.read(table)
        shift, reduction = self.conditioned.at(inputs.rows, values.settings, dtype)
        variance = process_variance(inputs.rows, values.settings) - reduction
        mean = self._prior_mean(table, inputs, values) + shift
        return mean, variance.clamp_min(1e-12).sqrt()

    def curves(
        self, table: LatencyTable, n_draws: int, generator: torch.Generator, n_used: int = 32
    ) -> tuple[Tensor, Tensor]:
        """Draw log seconds jointly over rows ``(draw, row)``, and which setting each came from."""
        n_used = min(n_used, n_draws, len(self.draws.values))
        values = self.values(n_used)
        inputs = self.read(table)
        mean = self._prior_mean(table, inputs, values)
        found = torch.empty(n_draws, len(table), dtype=torch.float64)
        # One setting after the other: all covariances at once are gigabytes of fresh memory.
        for k in range(n_used):
            known = self.conditioned.of_draw(k)
            (shift,), (covariance,) = known.joint(inputs.rows, values.settings.of_draw(k))
            covariance.diagonal().add_(1e-8 * float(covariance.diagonal().mean()) + 1e-14)
            lower = torch.linalg.cholesky(covariance)
            rows = torch.arange(k, n_draws, n_used)
            white = torch.randn(len(table), len(rows), generator=generator, dtype=torch.float64)
            found[rows] = mean[k] + shift + (lower @ white).T
        return found, torch.arange(n_draws) % n_used

    def timing_variances(self, table: LatencyTable, n_used: int | None = None) -> Tensor:
        """Return the noise variance of a timing at nodes of its tail, ``(node, draw, row)``."""
        inputs = self.reader.read(table)
        values = self.values(n_used)
        own = (2 * values.log_noise[:, inputs.figures]).exp()
        variance = own + values.log_repeats.exp()[:, None] * self.usual_floor
        return noise.new_scales(self.draws.degrees[:n_used], noise.N_NODES)[:, :, None] * variance

    def _prior_mean(self, table: LatencyTable, inputs: Inputs, values: Values) -> Tensor:
        mean = figure_log_seconds(values.log_constants, inputs.passes)
        return mean if self.offset is None else mean + torch.as_tensor(self.offset(table))
