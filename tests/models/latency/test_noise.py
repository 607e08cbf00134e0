import numpy as np
import pytest
import torch
from scipy import stats

from bayeslaw.models.latency import noise
from bayeslaw.models.latency.conformal import widening
from bayeslaw.models.latency.prediction import EXACT_ROWS, mixture_quantiles


def test_scales_make_a_student_t_of_a_normal():
    degrees = torch.full((1,), 4.0).double()
    generator = torch.Generator().manual_seed(0)
    scales = noise.random_scales(degrees, 200_000, generator)[0]
    white = torch.randn(200_000, generator=generator, dtype=torch.float64)
    drawn = (scales.sqrt() * white).numpy()
    assert stats.kstest(drawn, stats.t(4).cdf).pvalue > 1e-3


def test_drawing_scales_and_errors_in_turns_keeps_their_joint_law():
    generator = torch.Generator().manual_seed(1)
    degrees = torch.full((4000,), 3.0).double()
    scales = noise.random_scales(degrees, 1, generator)
    for _ in range(5):
        white = torch.randn(4000, 1, generator=generator, dtype=torch.float64)
        scales = noise.draw_scales(scales.sqrt() * white, degrees, generator)
    precision = (1 / scales[:, 0]).numpy()
    assert stats.kstest(precision, stats.gamma(1.5, scale=2 / 3).cdf).pvalue > 1e-3


def test_degrees_of_freedom_are_found():
    generator = torch.Generator().manual_seed(2)
    found = []
    for nu in (2.0, 100.0):
        errors = torch.as_tensor(stats.t(nu).rvs(2000, random_state=3))[None]
        found.append(float(noise.draw_degrees(errors, generator)[0]))
    assert found[0] <= 3.0 and found[1] >= 20.0


def test_the_log_density_is_scipys():
    errors, sd = torch.tensor([[0.3, -1.0, 4.0]]).double(), torch.tensor([[0.5, 1.0, 2.0]]).double()
    found = noise.log_density(errors, sd, torch.tensor([3.0]).double())
    expected = stats.t(3, scale=sd[0].numpy()).logpdf(errors[0].numpy()).sum()
    assert float(found[0]) - 3 * 0.5 * np.log(np.pi) == pytest.approx(expected, abs=1e-9)


def test_quantiles_of_a_mixture_are_exact_for_few_rows_and_near_for_many():
    rng = np.random.default_rng(0)
    mean = torch.as_tensor(rng.normal(0, 0.3, (8, 3))).repeat(1, EXACT_ROWS // 3 + 1)
    sd = torch.as_tensor(rng.uniform(0.5, 1.0, (8, 3))).repeat(1, EXACT_ROWS // 3 + 1)
    few = mixture_quantiles(mean[:, :3], sd[:, :3], [0.05, 0.5, 0.95])
    for tail, found in zip((0.05, 0.5, 0.95), few, strict=True):
        below = stats.norm.cdf(found.numpy(), mean[:, :3], sd[:, :3]).mean(axis=0)
        assert below == pytest.approx(tail, abs=1e-6)
    assert mean.shape[1] > EXACT_ROWS
    many = mixture_quantiles(mean, sd, [0.05, 0.5, 0.95])
    width = (few[2] - few[0]).numpy()
    for exact, near in zip(few, many, strict=True):
        assert np.abs(near[:3].numpy() - exact.numpy()).max() < 0.06 * width.max()


def test_intervals_that_held_too_few_left_out_timings_widen():
    rng = np.random.default_rng(1)
    assert widening(rng.standard_normal(63), 0.9) == 1.0
    assert widening(2 * rng.standard_normal(2000), 0.9) == pytest.approx(2.0, rel=0.1)
