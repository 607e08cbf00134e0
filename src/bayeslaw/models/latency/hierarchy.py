"""How alike devices and engines are in what they reach of a datasheet: a Pyro model.

Log constants of an engine version on a device, relative to the datasheet, are

    c = common + device + engine + version,    each effect normal with a half-normal(0.3) scale

one scale a constant and level. Timings of one group tell its constants as a normal (Laplace), so
given the scales all effects are normal too and are integrated out exactly: NUTS moves the scales
alone. That is what a non-centred parametrisation is after (no funnel), with a sixth of its
dimensions; mean-field variational inference over all of them was tried and held 0 to 35 % of an
unseen device's latencies in its 90 % intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import MCMC, NUTS
from torch import Tensor

from bayeslaw.models.latency.constants import CONSTANTS, Ceilings, ConstantsPrior
from bayeslaw.models.latency.threads import one_thread

LEVELS = ("device", "engine", "version")
N_WARM_UP, N_DRAWS = 100, 100


@dataclass(frozen=True)
class GroupConstants:
    """Hold what timings of one engine version on one device tell of its constants.

    Attributes:
        device: Its name.
        engine: Name of the engine.
        ceilings: Of the device.
        mean: Log constants relative to the ceilings ``(constant,)``.
        covariance: ``(constant, constant)``; wide where the timings do not tell.
    """

    device: str
    engine: str
    ceilings: Ceilings
    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Hierarchy:
    """Hold groups and draws of the scales; build it with `fit_hierarchy`.

    Attributes:
        groups: That were measured.
        scales: Of devices, engines and versions, in logs ``(draw, level, constant)``.
        divergences: Of the chain [count].
    """

    groups: tuple[GroupConstants, ...]
    scales: np.ndarray
    divergences: int

    @property
    def n_devices(self) -> int:
        """Devices that were measured [count]."""
        return len({group.device for group in self.groups})

    def prior_for(self, device: str, engine: str) -> ConstantsPrior:
        """Return what is believed of an engine version on a device, as a normal.

        What is known of the device under other engines, and of the engine on other devices, is
        taken; what is not is as far apart as the measured ones are.
        """
        model = _Normal(self.groups)
        alike = torch.tensor(
            [[1.0, g.device == device, g.engine == engine, 0.0] for g in self.groups]
        ).double()
        means, covariances = [], []
        for scales in torch.as_tensor(self.scales):
            mean, covariance = model.predict(scales, alike)
            means.append(mean.numpy())
            covariances.append(covariance.numpy())
        spread = np.cov(np.stack(means), rowvar=False)
        total = np.mean(covariances, axis=0) + spread + 1e-8 * np.eye(len(CONSTANTS))
        return ConstantsPrior(np.mean(means, axis=0), np.linalg.cholesky(total))


def fit_hierarchy(groups: Sequence[GroupConstants], *, seed: int, scale: float = 0.3) -> Hierarchy:
    """Draw the scales given all groups.

    Args:
        groups: One for each engine version on each device.
        seed: The same seed, the same draws.
        scale: Of the half-normal priors on the scales, in logs.
    """
    normal = _Normal(groups)
    shape = (len(LEVELS), len(CONSTANTS))

    def model() -> None:
        half_normal = dist.HalfNormal(torch.full(shape, scale, dtype=torch.float64))
        scales = pyro.sample("scales", half_normal.to_event(2))
        pyro.factor("evidence", normal.log_evidence(scales))

    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    kernel = NUTS(model, target_accept_prob=0.8, max_tree_depth=5)
    chain = MCMC(kernel, num_samples=N_DRAWS, warmup_steps=N_WARM_UP, disable_progbar=True)
    with one_thread():
        chain.run()
    divergences = sum(len(steps) for steps in chain.diagnostics()["divergences"].values())
    return Hierarchy(tuple(groups), chain.get_samples()["scales"].numpy(), divergences)


class _Normal:
    """All groups' constants as one normal, given the scales."""

    def __init__(self, groups: Sequence[GroupConstants]) -> None:
        prior = ConstantsPrior.wide()
        self.n = len(CONSTANTS)
        self.centre = torch.as_tensor(prior.mean)
        self.common = torch.as_tensor(np.diag(prior.root) ** 2)
        self.apart = torch.cat([torch.as_tensor(g.mean) - self.centre for g in groups])
        self.known = torch.block_diag(*(torch.as_tensor(g.covariance) for g in groups))
        device = [[a.device == b.device for a in groups] for b in groups]
        engine = [[a.engine == b.engine for a in groups] for b in groups]
        same = [np.ones((len(groups),) * 2), device, engine, np.eye(len(groups))]
        self.same = torch.as_tensor(np.stack(same).astype(float))

    def variances(self, scales: Tensor) -> Tensor:
        """Return the variance of each level, common first, ``(1 + level, constant)``."""
        return torch.cat([self.common[None], scales**2])

    def covariance(self, scales: Tensor) -> Tensor:
        """Return the covariance of all groups' constants, ``(group constant, group constant)``."""
        blocks = torch.einsum("lgh,lk->gkh", self.same, self.variances(scales))
        spread = torch.diag_embed(blocks.permute(0, 2, 1))  # group, group, constant, constant
        n_groups = self.same.shape[-1]
        return spread.permute(0, 2, 1, 3).reshape(n_groups * self.n, n_groups * self.n) + self.known

    def log_evidence(self, scales: Tensor) -> Tensor:
        """Return the log density of what the groups' timings tell, without its constant."""
        lower = torch.linalg.cholesky(self.covariance(scales))
        white = torch.linalg.solve_triangular(lower, self.apart[:, None], upper=False)
        return -0.5 * (white**2).sum() - lower.diagonal().log().sum()

    def predict(self, scales: Tensor, alike: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and covariance of a new group's constants.

        Args:
            scales: One draw ``(level, constant)``.
            alike: Whether each group shares what is common, its device, its engine and its version
                ``(group, 1 + level)``.
        """
        variances = self.variances(scales)
        cross = torch.diag_embed(alike @ variances)  # group, constant, constant
        cross = cross.permute(1, 0, 2).reshape(self.n, -1)
        lower = torch.linalg.cholesky(self.covariance(scales))
        white = torch.linalg.solve_triangular(lower, cross.T, upper=False)
        apart = torch.linalg.solve_triangular(lower, self.apart[:, None], upper=False)
        mean = self.centre + (white.T @ apart)[:, 0]
        return mean, torch.diag(variances.sum(0)) - white.T @ white
