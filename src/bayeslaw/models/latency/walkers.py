"""Draws from a smooth posterior of a dozen dimensions, many chains in one batch.

Chains start at draws of the Laplace approximation and move by Hamiltonian Monte Carlo in the
coordinates that it whitens (Neal 2011, arXiv:1206.1901). A batch of 32 chains costs little more
than one, so a few dozen trajectories each are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

LogDensity = Callable[[Tensor], Tensor]

N_LEAPFROG = 6
TARGET_ACCEPTANCE = 0.8


@dataclass(frozen=True)
class WalkerDraws:
    """Hold draws and how well the chains moved.

    Attributes:
        values: Draws ``(draw, coefficient)``.
        mode: The best point found ``(coefficient,)``.
        acceptance: Share of trajectories taken after warm-up.
        rhat: Largest R-hat over coefficients and chains, kept half.
    """

    values: Tensor
    mode: Tensor
    acceptance: float
    rhat: float


def draw_posterior(
    log_density: LogDensity,
    n_coefficients: int,
    *,
    n_draws: int,
    seed: int,
    n_chains: int = 32,
    n_steps: int = 48,
    n_starts: int = 3,
) -> WalkerDraws:
    """Draw from a density over whitened coefficients (prior standard normal).

    Args:
        log_density: Maps ``(chain, coefficient)`` to ``(chain,)``, differentiable.
        n_coefficients: Dimensions.
        n_draws: Draws kept, at most four a chain, from the second half of the trajectories.
        seed: Of everything random here.
        n_chains: Chains moved together.
        n_steps: Trajectories of each chain; the first half is warm-up.
        n_starts: Optimisations from prior draws, the best of which is the mode.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    mode = _find_mode(log_density, n_coefficients, n_starts, generator)
    root = _laplace_root(log_density, mode)

    def value_and_gradient(white: Tensor) -> tuple[Tensor, Tensor]:
        white = white.detach().requires_grad_()
        value = log_density(mode + white @ root.T)
        (gradient,) = torch.autograd.grad(value.sum(), white)
        return value.detach().nan_to_num(nan=-torch.inf), gradient.nan_to_num()

    state = normal(n_chains, n_coefficients)
    value, gradient = value_and_gradient(state)
    log_step = np.log(0.5)
    kept: list[Tensor] = []
    acceptances: list[float] = []
    for step in range(n_steps):
        momentum = normal(n_chains, n_coefficients)
        # A step of random length cannot resonate with the posterior's periods.
        jitter = torch.rand(n_chains, 1, generator=generator, dtype=torch.float64)
        length = float(np.exp(log_step)) * (0.8 + 0.4 * jitter)
        new_state, new_value, new_gradient, new_momentum = state, value, gradient, momentum
        for _ in range(N_LEAPFROG):
            new_momentum = new_momentum + 0.5 * length * new_gradient
            new_state = new_state + length * new_momentum
            new_value, new_gradient = value_and_gradient(new_state)
            new_momentum = new_momentum + 0.5 * length * new_gradient
        change = new_value - value - 0.5 * ((new_momentum**2).sum(-1) - (momentum**2).sum(-1))
        chance = change.nan_to_num(nan=-torch.inf).clamp_max(0.0).exp()
        take = torch.rand(n_chains, generator=generator, dtype=torch.float64) < chance
        state = torch.where(take[:, None], new_state, state)
        gradient = torch.where(take[:, None], new_gradient, gradient)
        value = torch.where(take, new_value, value)
        if step < n_steps // 2:
            log_step += 0.5 * (float(chance.mean()) - TARGET_ACCEPTANCE)
        else:
            acceptances.append(float(take.double().mean()))
            kept.append(mode + state @ root.T)
    chains = torch.stack(kept)  # (step, chain, coefficient)
    spaced = chains[np.linspace(0, len(chains) - 1, 4).round().astype(int)].flip(0)
    # Whole sweeps over the chains, last states first, so that few draws come from many chains.
    draws = spaced.reshape(-1, n_coefficients)[:n_draws]
    return WalkerDraws(draws, mode, float(np.mean(acceptances)), _rhat(chains))


def _find_mode(
    log_density: LogDensity, n_coefficients: int, n_starts: int, generator: torch.Generator
) -> Tensor:
    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        z = torch.tensor(point, dtype=torch.float64).requires_grad_()
        value = -log_density(z[None])[0]
        (gradient,) = torch.autograd.grad(value, z)
        return float(value.detach()), gradient.numpy()

    starts = torch.randn(n_starts, n_coefficients, generator=generator, dtype=torch.float64) * 0.5
    starts[0] = 0.0
    found = [
        minimize(objective, start.numpy(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
        for start in starts
    ]
    return torch.tensor(min(found, key=lambda result: result.fun).x, dtype=torch.float64)


def _laplace_root(log_density: LogDensity, mode: Tensor) -> Tensor:
    hessian = torch.autograd.functional.hessian(lambda z: -log_density(z[None])[0], mode)
    assert isinstance(hessian, Tensor)
    values, vectors = torch.linalg.eigh(0.5 * (hessian + hessian.T))
    # The prior's precision is 1 in every direction; anything flatter is a numerical artefact.
    return vectors * values.clamp_min(0.5).rsqrt()


def _rhat(chains: Tensor) -> float:
    """Return the largest R-hat over coefficients (Gelman et al. 2013, 11.4), ``(step, chain, k)``."""
    n_steps = len(chains)
    within = chains.var(dim=0).mean(dim=0)
    between = n_steps * chains.mean(dim=0).var(dim=0)
    return float((((n_steps - 1) / n_steps * within + between / n_steps) / within).sqrt().max())
