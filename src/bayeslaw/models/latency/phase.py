"""One latency figure (time to first token, or per output token) of one device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bayeslaw.models.latency import residual as gp
from bayeslaw.models.latency.features import FEATURES, latency_features
from bayeslaw.models.latency.roofline import Phase, RooflineConstants, count_work, roofline_seconds
from bayeslaw.models.latency.walkers import WalkerDraws, draw_posterior
from bayeslaw.space import Architecture, Workload

# Medians and log standard deviations of log-normal priors. Efficiencies: shares of a datasheet's
# ceilings that engines reach (0.44-0.88 on an H100). Overheads span a replayed CUDA graph (a few
# microseconds a layer) to eager Python on a slow core (hundreds). Residual and noise: a fitted
# roofline is 5-17 % off, repeats agree within about 1 %.
EFFICIENCY = (0.6, 0.5)
GUESSED_EFFICIENCY = (0.6, 1.0)
CALL_SECONDS = (30e-6, 1.5)
SEQUENCE_SECONDS = (5e-6, 1.5)
LAYER_SECONDS = (30e-6, 1.5)
AMPLITUDE = (0.12, 0.7)
NOISE = (0.01, 1.0)
# Clocks, neighbours and memory layout move a whole session of timings by a few percent.
SESSION = (0.02, 0.7)
LENGTHSCALE_DOUBLINGS = (2.5, 0.8)
_N_SCALARS = 8


@dataclass(frozen=True)
class Ceilings:
    """Hold what a device can do at best.

    Attributes:
        flops_per_second: Arithmetic [FLOP/s].
        bytes_per_second: Bandwidth [byte/s].
        is_guessed: Whether they are read off the measurements for want of a datasheet.
    """

    flops_per_second: float
    bytes_per_second: float
    is_guessed: bool


@dataclass(frozen=True)
class PhaseSurrogate:
    """Predict one latency figure; build it with `fit_phase`.

    Attributes:
        phase: ``prefill`` or ``decode``.
        ceilings: Of the device.
        features: Of the measurements ``(row, feature)``.
        residual: Log latency less log roofline of each draw ``(draw, row)``.
        floor_variance: Of each measurement's own median, in log latency ``(row,)``.
        sessions: Number of the session each was taken in ``(row,)``.
        draws: Whitened constants and hyperparameters.
    """

    phase: Phase
    ceilings: Ceilings
    features: Tensor
    residual: Tensor
    floor_variance: Tensor
    sessions: Tensor
    draws: WalkerDraws

    def marginals(
        self, architectures: Sequence[Architecture], workload: Workload
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and sd of log seconds ``(draw, architecture)``, and the sd of a timing ``(draw,)``.

        The latter is of a timing in another session around the latency itself.
        """
        mean, cross, _, hyper = self._at(architectures, workload)
        variance = hyper.amplitude[:, None] ** 2 - (cross**2).sum(-2)
        timing_sd = (self._repeat_sd(hyper) ** 2 + hyper.session**2).sqrt()
        return mean, variance.clamp_min(1e-12).sqrt(), timing_sd

    def draw(
        self,
        architectures: Sequence[Architecture],
        workload: Workload,
        *,
        n_draws: int,
        generator: torch.Generator,
        n_hyperparameters: int = 32,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw curves of latency [ms] and another timing of each, both ``(draw, architecture)``.

        Each draw takes one setting of the constants and hyperparameters in turn, so a row is one
        coherent belief about the device. Timings of a row are taken in one new session: they share
        its offset and each has the noise of a repeat.
        """
        n_used = min(n_hyperparameters, n_draws, len(self.draws.values))
        # An architecture asked about twice is one network: it gets one value.
        unique = list(dict.fromkeys(architectures))
        place = {architecture: i for i, architecture in enumerate(unique)}
        mean, cross, at, hyper = self._at(unique, workload, n_used)
        log_seconds = torch.empty(n_draws, len(unique), dtype=torch.float64)
        for k in range(n_used):
            one = _row(hyper, k)
            covariance = gp.matern52(at, at, one)[0] - cross[k].T @ cross[k]
            ridge = 1e-8 * float(one.amplitude[0]) ** 2
            lower = torch.linalg.cholesky(covariance + ridge * torch.eye(len(at)))
            rows = torch.arange(k, n_draws, n_used)
            noise = _normal((len(at), len(rows)), generator)
            log_seconds[rows] = mean[k] + (lower @ noise).T
        used = torch.arange(n_draws) % n_used
        repeat_sd, session_sd = self._repeat_sd(hyper)[used], hyper.session[used]
        order = torch.randperm(n_draws, generator=generator)
        columns = torch.tensor([place[a] for a in architectures])
        curves = log_seconds[:, columns]
        offset = session_sd[:, None] * _normal((n_draws, 1), generator)
        timings = curves + offset + repeat_sd[:, None] * _normal(tuple(curves.shape), generator)
        return curves[order].exp().numpy() * 1e3, timings[order].exp().numpy() * 1e3

    def _at(
        self, architectures: Sequence[Architecture], workload: Workload, n_used: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor, gp.Hyperparameters]:
        constants, hyper = unpack(self.draws.values[:n_used], self.ceilings)
        at = _features(architectures, [workload], self.phase, self.ceilings)
        work = count_work(architectures, [workload], self.phase)
        lower = gp.factor(self.features, self.floor_variance, self.sessions, hyper)
        shift, cross = gp.condition(self.features, self.residual[:n_used], lower, at, hyper)
        return roofline_seconds(work, constants).log() + shift, cross, at, hyper

    def _repeat_sd(self, hyper: gp.Hyperparameters) -> Tensor:
        return (hyper.noise**2 + self.floor_variance.median()).sqrt()


def fit_phase(
    phase: Phase,
    architectures: Sequence[Architecture],
    workloads: Sequence[Workload],
    seconds: np.ndarray,
    floor_variance: np.ndarray,
    sessions: np.ndarray,
    ceilings: Ceilings,
    *,
    seed: int,
    n_draws: int = 64,
) -> PhaseSurrogate:
    """Fit constants, kernel and noise to the times of one phase."""
    features = _features(architectures, workloads, phase, ceilings)
    work = count_work(architectures, workloads, phase)
    log_seconds = torch.log(torch.as_tensor(seconds, dtype=torch.float64))
    floor = torch.as_tensor(floor_variance, dtype=torch.float64)
    session_of = torch.as_tensor(sessions)

    def log_density(z: Tensor) -> Tensor:
        constants, hyper = unpack(z, ceilings)
        residual = log_seconds - roofline_seconds(work, constants).log()
        lower = gp.factor(features, floor, session_of, hyper)
        return gp.log_likelihood(residual, lower) - 0.5 * (z**2).sum(-1)

    draws = draw_posterior(log_density, _N_SCALARS + len(FEATURES), n_draws=n_draws, seed=seed)
    constants, _ = unpack(draws.values, ceilings)
    residual = log_seconds - roofline_seconds(work, constants).log()
    return PhaseSurrogate(phase, ceilings, features, residual, floor, session_of, draws)


def unpack(z: Tensor, ceilings: Ceilings) -> tuple[RooflineConstants, gp.Hyperparameters]:
    """Turn whitened draws ``(draw, 8 + feature)`` into constants and hyperparameters."""
    efficiency = GUESSED_EFFICIENCY if ceilings.is_guessed else EFFICIENCY

    def positive(column: int, prior: tuple[float, float]) -> Tensor:
        return prior[0] * torch.exp(prior[1] * z[:, column, None])

    constants = RooflineConstants(
        flops_per_second=ceilings.flops_per_second * positive(0, efficiency),
        bytes_per_second=ceilings.bytes_per_second * positive(1, efficiency),
        call_seconds=positive(2, CALL_SECONDS),
        sequence_seconds=positive(3, SEQUENCE_SECONDS),
        layer_seconds=positive(4, LAYER_SECONDS),
    )
    median, spread = LENGTHSCALE_DOUBLINGS
    hyper = gp.Hyperparameters(
        amplitude=positive(5, AMPLITUDE)[:, 0],
        noise=positive(6, NOISE)[:, 0],
        session=positive(7, SESSION)[:, 0],
        lengthscales=median * torch.exp(spread * z[:, _N_SCALARS:]),
    )
    return constants, hyper


def _features(
    architectures: Sequence[Architecture],
    workloads: Sequence[Workload],
    phase: Phase,
    ceilings: Ceilings,
) -> Tensor:
    ridge = ceilings.flops_per_second / ceilings.bytes_per_second
    return torch.as_tensor(latency_features(architectures, workloads, phase, ridge))


def _row(hyper: gp.Hyperparameters, k: int) -> gp.Hyperparameters:
    one = slice(k, k + 1)
    return gp.Hyperparameters(
        hyper.amplitude[one], hyper.lengthscales[one], hyper.noise[one], hyper.session[one]
    )


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)
