import numpy as np
import pytest

from bayeslaw.errors import UndecidedError
from bayeslaw.models.links.sampler import sample


def test_draws_and_evidence_of_a_conjugate_normal_are_exact():
    # Prior N(0, I), likelihood N(mean, 0.2^2) a coordinate: posterior and evidence are known.
    mean, sd = np.array([1.5, -0.5, 0.3]), 0.2

    def log_likelihood(z):
        return (-0.5 * ((z - mean) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))).sum(axis=1)

    found = sample(log_likelihood, 3, n_draws=4000, seed=0)
    exact_sd = np.sqrt(1 / (1 + 1 / sd**2))
    # Every draw is moved a dozen times a temperature: count one in four as independent.
    standard_error = exact_sd / np.sqrt(1000)
    assert np.abs(found.z.mean(axis=0) - mean / (1 + sd**2)).max() < 4 * standard_error
    assert found.z.std(axis=0) == pytest.approx([exact_sd] * 3, rel=0.1)
    exact = (-0.5 * mean**2 / (1 + sd**2) - 0.5 * np.log(2 * np.pi * (1 + sd**2))).sum()
    assert found.log_evidence == pytest.approx(exact, abs=0.3)
    assert 0.1 < found.acceptance < 0.9


def test_a_bent_posterior_is_followed_along_its_bend():
    # Only the product is known: a Gaussian around one point would see a hundredth of it.
    found = sample(
        lambda z: -0.5 * ((z[:, 0] * z[:, 1] - 1.0) / 0.02) ** 2, 2, n_draws=2000, seed=1
    )
    assert np.abs(found.z.prod(axis=1) - 1).mean() < 0.05
    assert 0.35 < (found.z[:, 0] > 0).mean() < 0.65  # both branches, by symmetry half each
    assert np.quantile(np.abs(found.z[:, 0]), [0.05, 0.95]) == pytest.approx([0.5, 1.95], abs=0.3)


def test_the_same_seed_draws_the_same():
    first, second, other = (
        sample(lambda z: -0.5 * (z[:, 0] - 1) ** 2, 1, n_draws=100, seed=seed).z
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_a_likelihood_that_is_nowhere_finite_is_undecided():
    with pytest.raises(UndecidedError, match="no draw of the prior"):
        sample(lambda z: np.full(len(z), np.nan), 1, n_draws=50, seed=0)
