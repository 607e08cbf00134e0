import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayeslaw.models.loss.diagnostics import ess
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.trajectory import MAX_DEPTH, Noise, Proposal, transition

N_DRAWS, N_CHAINS = 3000, 4


def run(log_density, start, step_size, max_depth=MAX_DEPTH, n_draws=N_DRAWS):
    """Return draws ``(chain, draw, coordinate)`` and trajectories of NUTS at a fixed step."""
    with float64():
        value_and_slope = jax.value_and_grad(log_density)

        @jax.jit
        def chain(noise):
            value, slope = value_and_slope(jnp.asarray(start))

            def draw(at, here):
                found = transition(value_and_slope, at, step_size, max_depth, here)
                return found.proposal, (found.proposal.u, found.n_steps, found.diverging)

            return jax.lax.scan(draw, Proposal(jnp.asarray(start), slope, value), noise)[1]

        rng = np.random.default_rng(0)
        parts = []
        for _ in range(N_CHAINS):
            noise = Noise(
                rng.standard_normal((n_draws, len(start))),
                rng.random((n_draws, MAX_DEPTH)),
                rng.random((n_draws, MAX_DEPTH)),
                rng.random((n_draws, 1 << MAX_DEPTH)),
            )
            parts.append([np.asarray(values) for values in chain(noise)])
    return [np.stack(values) for values in zip(*parts, strict=True)]


def test_a_skewed_and_a_narrow_marginal_are_sampled_at_the_precision_of_the_effective_draws():
    # A log-gamma (skewed, as a sign bug would show) and a normal eight times narrower, tilted.
    def log_density(u):
        return 2.0 * u[0] - jnp.exp(u[0]) - 0.5 * ((u[1] - 0.5 * u[0]) / 0.125) ** 2

    draws, n_steps, diverging = run(log_density, np.array([0.5, 0.0]), 0.15)
    assert not diverging.any()
    assert n_steps.mean() > 7
    exact = stats.loggamma(2.0)
    for values, mean, sd in (
        (draws[..., 0], exact.mean(), exact.std()),
        (draws[..., 1] - 0.5 * draws[..., 0], 0.0, 0.125),
    ):
        effective = ess(values)
        assert effective > 1500
        assert abs(values.mean() - mean) < 5 * sd / np.sqrt(effective)
        squares = (values - mean) ** 2
        error = squares.std() / np.sqrt(ess(squares))
        assert abs(squares.mean() - sd**2) < 5 * error
    tail = (draws[..., 0] < exact.ppf(0.05)).astype(float)
    assert abs(tail.mean() - 0.05) < 5 * np.sqrt(0.05 * 0.95 / ess(tail))


def test_trajectories_turn_back_instead_of_going_round():
    # At step .1 half a period of the slowest of these is 31 steps; more than 63 would be waste.
    scales = np.array([0.6, 0.7, 0.8, 0.9, 1.0])
    n_steps = run(lambda u: -0.5 * ((u / scales) ** 2).sum(), np.zeros(5), 0.1, n_draws=300)[1]
    assert 10 <= n_steps.mean() <= 40
    assert n_steps.max() <= 63


def test_a_trajectory_is_no_longer_than_asked():
    n_steps = run(lambda u: -0.5 * u @ u, np.zeros(3), 0.001, max_depth=4, n_draws=50)[1]
    assert (n_steps == 15).all()


def test_a_step_far_too_long_diverges_and_the_chain_stays():
    draws, _, diverging = run(lambda u: -0.5 * u @ u * 1e6, np.full(2, 1e-3), 1.0, n_draws=20)
    assert diverging.all()
    assert draws == pytest.approx(1e-3)
