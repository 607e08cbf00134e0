from dataclasses import replace

import numpy as np
import torch

from bayeslaw.models.latency.conditioning import condition_exactly, condition_sparsely
from bayeslaw.models.latency.covariance import (
    JITTER,
    Rows,
    Settings,
    log_likelihood,
    process_covariance,
    process_variance,
    total_covariance,
)


def world(n_draws=2, n_rows=7, n_features=3, seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    rows = Rows(
        normal(n_rows, n_features),
        0.1 * normal(n_rows, 2),
        torch.rand(n_rows, 2, generator=g, dtype=torch.float64),
        torch.tensor([0, 0, 1, 1, -1, -1, 0] * (n_rows // 7 + 1))[:n_rows],
        torch.tensor([0, 1, 0, 2, 1, 2, 0] * (n_rows // 7 + 1))[:n_rows],
    )
    settings = Settings(
        normal(n_draws, 2) - 1,
        normal(n_draws, n_features),
        normal(n_draws) - 1,
        normal(n_draws) - 2,
    )
    return rows, settings, normal


def test_written_out_gradients_are_those_of_the_value():
    rows, settings, normal = world()
    scales = torch.rand(2, 7, dtype=torch.float64) + 0.5
    inputs = [normal(2, 7), settings.amplitude, settings.lengthscales]
    inputs += [settings.session, settings.model]
    inputs = [value.clone().requires_grad_() for value in (*inputs, normal(2, 7) - 1)]

    def value(residual, amplitude, lengthscales, session, model, noise):
        kernel = Settings(amplitude, lengthscales, session, model)
        return log_likelihood(residual, kernel, noise, scales, rows)

    assert torch.autograd.gradcheck(value, inputs)


def test_the_value_is_the_normal_density():
    rows, settings, normal = world()
    residual, noise = normal(2, 7), torch.full((2, 7), -1.0).double()
    found = log_likelihood(residual, settings, noise, torch.ones(2, 7).double(), rows)
    covariance = total_covariance(rows, settings, (2 * noise).exp())
    density = torch.distributions.MultivariateNormal(torch.zeros(7).double(), covariance)
    constant = -0.5 * 7 * np.log(2 * np.pi)
    assert torch.allclose(found + constant, density.log_prob(residual), atol=1e-6)
    assert torch.allclose(
        process_covariance(rows, rows, settings).diagonal(dim1=-2, dim2=-1),
        process_variance(rows, settings),
    )


def test_conditioning_is_the_textbook_formula():
    rows, settings, normal = world()
    new, _, _ = world(n_rows=5, seed=3)
    residual, variance = normal(2, 7), torch.full((2, 7), 0.1).double()
    shift, taken = condition_exactly(rows, residual, variance, settings).at(new, settings)
    total = total_covariance(rows, settings, variance)
    cross = process_covariance(rows, new, settings)
    solved = torch.linalg.solve(total, cross)
    assert torch.allclose(shift, (solved.transpose(-1, -2) @ residual[..., None])[..., 0])
    assert torch.allclose(taken, (solved * cross).sum(-2))


def test_inducing_rows_that_are_all_rows_change_nothing():
    rows, settings, normal = world(n_rows=40)
    rows = replace(rows, sessions=torch.full((40,), -1))
    new, _, _ = world(n_rows=9, seed=5)
    # Small residuals: the heavy tail's scales stay what one step of the mode gives to all.
    residual, log_noise = 0.01 * normal(2, 40), torch.full((2, 40), -1.0).double()
    sparse = condition_sparsely(rows, residual, log_noise, settings, torch.Generator())
    variance = (2 * log_noise).exp() * 0.8 - JITTER
    exact = condition_exactly(rows, residual, variance, settings)
    for found, expected in zip(sparse.at(new, settings), exact.at(new, settings), strict=True):
        assert torch.allclose(found, expected, rtol=0.02, atol=1e-3)
