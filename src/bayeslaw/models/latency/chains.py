"""Draws from a posterior of a few dozen dimensions, many chains in one batch.

Chains start at draws of the Laplace approximation and move by Hamiltonian Monte Carlo in the
coordinates that it whitens (Neal 2011, arXiv:1206.1901); between trajectories the noise's scales are
drawn anew given everything else. A batch of 32 chains costs little more than one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

LogDensity = Callable[[Tensor, Tensor], Tensor]
Refresh = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor, Tensor]]

N_LEAPFROG = 6
TARGET_ACCEPTANCE = 0.8
_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Draws:
    """Hold draws and how well the chains moved.

    Attributes:
        values: Whitened coefficients ``(draw, coefficient)``.
        scales: Of each row's noise variance ``(draw, row)``.
        degrees: Of freedom of the noise ``(draw,)``.
        rhat: Largest R-hat over coefficients; NaN where nothing moved.
        acceptance: Share of trajectories taken after warm-up; NaN where nothing moved.
    """

    values: Tensor
    scales: Tensor
    degrees: Tensor
    rhat: float
    acceptance: float


def find_mode(
    log_density: LogDensity, start: np.ndarray, scales: Tensor, max_iterations: int
) -> np.ndarray:
    """Return where the density is highest, from ``start``, by L-BFGS."""

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        z = torch.as_tensor(point)[None].requires_grad_()
        value = -log_density(z, scales)[0]
        (gradient,) = torch.autograd.grad(value, z)
        return float(value.detach()), gradient[0].numpy()

    options = {"maxiter": max_iterations}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x


def laplace_root(log_density: LogDensity, mode: np.ndarray, scales: Tensor) -> Tensor:
    """Return a root of the inverse of minus the Hessian, by differences of gradients."""
    n = len(mode)
    steps = _DIFFERENCE * torch.eye(n, dtype=torch.float64)
    centre = torch.as_tensor(mode)
    halves = []
    for sign in (1.0, -1.0):
        points = (centre + sign * steps).requires_grad_()
        total = log_density(points, scales.expand(n, -1)).sum()
        halves.append(torch.autograd.grad(total, points)[0])
    hessian = -(halves[0] - halves[1]) / (2 * _DIFFERENCE)
    values, vectors = torch.linalg.eigh(0.5 * (hessian + hessian.T))
    # The prior's precision is 1 in every direction; anything flatter is a numerical artefact.
    return vectors * values.clamp_min(0.5).rsqrt()


def draw_chains(
    log_density: LogDensity,
    refresh: Refresh,
    mode: np.ndarray,
    root: Tensor,
    scales: Tensor,
    *,
    n_chains: int,
    n_steps: int,
    n_kept: int,
    generator: torch.Generator,
) -> Draws:
    """Move chains by trajectories with a draw of the noise's scales before each.

    Args:
        log_density: Maps ``(chain, coefficient)`` and scales to ``(chain,)``, differentiable.
        refresh: Draws noise coefficients, scales and degrees of freedom given all else.
        mode: Where chains start around.
        root: Of the Laplace covariance.
        scales: To start with ``(1, row)``.
        n_chains: Chains moved together.
        n_steps: Trajectories of each chain; the first half is warm-up.
        n_kept: States of each chain that are kept, evenly from the second half.
        generator: Of everything random here.
    """
    n_coefficients = len(mode)
    centre = torch.as_tensor(mode)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    def value_and_gradient(white: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        white = white.detach().requires_grad_()
        value = log_density(centre + white @ root.T, at)
        (gradient,) = torch.autograd.grad(value.sum(), white)
        return value.detach().nan_to_num(nan=-torch.inf), gradient.nan_to_num()

    whiten = torch.linalg.inv(root)
    state = normal(n_chains, n_coefficients)
    at = scales.expand(n_chains, -1).clone()
    log_step, acceptances = np.log(0.5), []
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for step in range(n_steps):
        z, at, degrees = refresh(centre + state @ root.T, at, generator)
        state = (z - centre) @ whiten.T
        value, gradient = value_and_gradient(state, at)
        momentum = normal(n_chains, n_coefficients)
        # A step of random length cannot resonate with the posterior's periods.
        length = float(np.exp(log_step)) * (0.8 + 0.4 * uniform(n_chains, 1))
        new, new_value, new_gradient, speed = state, value, gradient, momentum
        for _ in range(N_LEAPFROG):
            speed = speed + 0.5 * length * new_gradient
            new = new + length * speed
            new_value, new_gradient = value_and_gradient(new, at)
            speed = speed + 0.5 * length * new_gradient
        change = new_value - value - 0.5 * ((speed**2).sum(-1) - (momentum**2).sum(-1))
        chance = change.nan_to_num(nan=-torch.inf).clamp_max(0.0).exp()
        state = torch.where((uniform(n_chains) < chance)[:, None], new, state)
        if step < n_steps // 2:
            log_step += 0.5 * (float(chance.mean()) - TARGET_ACCEPTANCE)
        else:
            acceptances.append(float(chance.mean()))
            kept.append((centre + state @ root.T, at, degrees))
    spaced = np.linspace(0, len(kept) - 1, n_kept).round().astype(int)[::-1]
    values, all_scales, all_degrees = (
        torch.cat([kept[i][part] for i in spaced]) for part in range(3)
    )
    rhat = _rhat(torch.stack([state for state, _, _ in kept]))
    return Draws(values, all_scales, all_degrees, rhat, float(np.mean(acceptances)))


def _rhat(chains: Tensor) -> float:
    """Return the largest R-hat over coefficients (Gelman et al. 2013, 11.4), ``(step, chain, k)``."""
    n_steps = len(chains)
    within = chains.var(dim=0).mean(dim=0)
    between = n_steps * chains.mean(dim=0).var(dim=0)
    return float((((n_steps - 1) / n_steps * within + between / n_steps) / within).sqrt().max())
