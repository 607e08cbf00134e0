import numpy as np
import pytest
from loss_examples import synthetic_table, trunk_table
from scipy.special import logsumexp

from bayeslaw.models.loss import LAWS, ScalePrior
from bayeslaw.models.loss.coordinates import Coordinates
from bayeslaw.models.loss.density import _misfit, _path, _scaled, draw_paths
from bayeslaw.models.loss.evidence import gather_evidence, padded
from bayeslaw.models.loss.gradients import curvature, values_and_slopes
from bayeslaw.models.loss.jax_session import float64
from bayeslaw.models.loss.map import find_mode
from bayeslaw.models.loss.noise import log_likelihood

LAW = LAWS["chinchilla"]
N_PATHS = 4000


@pytest.fixture(scope="module", params=[synthetic_table, trunk_table])
def problem(request):
    """Evidence, its padded form and six points within one posterior sd of the mode."""
    evidence = gather_evidence(LAW, request.param(n_runs=24))
    arrays = padded(evidence, LAW, ScalePrior())
    rng = np.random.default_rng(0)
    with float64():
        mode = find_mode(LAW, arrays, seed=0).z
        precision, vectors = np.linalg.eigh(-curvature(mode, arrays, LAW))
    steps = rng.standard_normal((6, len(mode)))
    steps *= (rng.uniform(0.3, 1.0, 6) / np.linalg.norm(steps, axis=1))[:, None]
    return evidence, arrays, mode + steps @ (vectors / np.sqrt(precision)).T


def by_importance(z, evidence, arrays, rng):
    """Log density with the paths integrated out by drawing them, and the draws' effective number."""
    at = Coordinates(LAW, evidence.has_trunks).unpack(z, arrays["scales"])
    theta = LAW.from_unconstrained(at.coefficients, evidence.log_reference, np)
    misfit = np.log(evidence.loss_nats) - np.log(LAW(theta, evidence.columns))
    n_runs = evidence.n_runs
    basis = np.concatenate(
        [at.tau * arrays["along_cost"][:n_runs], at.rho * arrays["along_ratio"][:n_runs]], axis=1
    )
    with float64():
        unpacked, left = _misfit(z, arrays, LAW)
        found = _path(unpacked, left, _scaled(unpacked, arrays), arrays)
    middle, factor = (np.asarray(part) for part in found)
    white = rng.standard_normal((N_PATHS, len(middle)))
    paths = middle + np.linalg.solve(factor.T, white.T).T
    scale = at.sigma * np.exp(at.growth * np.abs(evidence.off_centre))
    noise = log_likelihood(
        misfit - paths @ basis.T,
        evidence.trunk,
        np.tile(scale, (N_PATHS, 1)),
        np.full(N_PATHS, at.run_share),
    ).sum(axis=1)
    log_proposal = np.log(np.diag(factor)).sum() - (white**2).sum(axis=1) / 2
    weights = noise - (paths**2).sum(axis=1) / 2 - log_proposal
    effective = np.exp(2 * logsumexp(weights) - logsumexp(2 * weights))
    return logsumexp(weights) - np.log(N_PATHS) - z @ z / 2, effective


def test_the_density_is_that_with_the_paths_integrated_out(problem):
    evidence, arrays, points = problem
    with float64():
        values, _ = values_and_slopes(points, arrays, LAW)
    rng = np.random.default_rng(1)
    exact, effective = np.array([by_importance(z, evidence, arrays, rng) for z in points]).T
    assert (effective > 400).all()
    apart = values - exact
    np.testing.assert_allclose(apart, apart.mean(), atol=0.15)
    # The points are apart by more than that, so agreement says something.
    assert np.ptp(values) > 0.15


def test_the_gradient_is_that_of_the_density(problem):
    _, arrays, points = problem
    width = 1e-5 * np.eye(points.shape[1])
    with float64():
        _, slopes = values_and_slopes(points, arrays, LAW)
        shifted = np.concatenate([[z + width, z - width] for z in points])
        values, _ = values_and_slopes(shifted.reshape(-1, points.shape[1]), arrays, LAW)
    up, down = values.reshape(len(points), 2, -1).transpose(1, 0, 2)
    differences = (up - down) / 2e-5
    error = np.linalg.norm(differences - slopes, axis=1) / np.linalg.norm(slopes, axis=1)
    assert (error < 1e-4).all(), error


def test_paths_are_drawn_around_their_mode_with_the_width_that_the_density_took(problem):
    _, arrays, points = problem
    with float64():
        at, left = _misfit(points[0], arrays, LAW)
        found = _path(at, left, _scaled(at, arrays), arrays)
        middle, factor = (np.asarray(part) for part in found)
        units = np.concatenate([np.zeros((1, len(middle))), np.eye(len(middle))])
        here = np.tile(points[0], (len(units), 1))
        drawn = np.asarray(draw_paths(here, units, arrays, LAW))
    np.testing.assert_allclose(drawn[0], middle, rtol=1e-8, atol=1e-10)
    root = drawn[1:] - drawn[0]  # Normals of unit covariance become what the information leaves.
    np.testing.assert_allclose(root.T @ root @ factor @ factor.T, np.eye(len(middle)), atol=1e-8)
