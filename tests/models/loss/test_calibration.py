import numpy as np
import pytest
from benchmarks.calibrate import judge, ranks_of
from benchmarks.calibration.ranks import FAILURE_RATE, N_KEPT, holm, rank
from benchmarks.calibration.simulate import COST_FACTOR, N_RUNS, REFERENCE_LOSS_NATS, simulate

from bayeslaw.models.loss import LAWS
from bayeslaw.models.loss.corpus import corpus_prior
from bayeslaw.models.loss.scales import ScalePrior


def _ranks(width: float, shift: float = 0.0, n: int = 200) -> list[int]:
    """Rank truths of a Normal mean among draws of its posterior, made too narrow or shifted."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(n)
    mean = (truth + rng.standard_normal(n)) / 2
    draws = mean[:, None] + np.sqrt(0.5) * (shift + width * rng.standard_normal((n, 400)))
    return [rank(*pair) for pair in zip(truth, draws, strict=True)]


def _row(ranks: dict[str, int]) -> dict:
    return {"ranks": ranks, "k_hat": 0.3, "notes": [], "n_refused": 0}


def test_an_exact_posterior_passes_and_a_narrow_or_shifted_one_fails():
    exact, narrow, shifted = _ranks(1.0), _ranks(0.5), _ranks(1.0, shift=0.6)
    cells = {
        "law": [
            _row({"coefficient exact": a, "coefficient narrow": b, "scale shifted": c})
            for a, b, c in zip(exact, narrow, shifted, strict=True)
        ],
        "other": [],
    }
    found = judge(cells)
    assert found["law"]["failed"] == ["coefficient narrow", "scale shifted"]
    assert found["law"]["quantities"]["coefficient narrow"]["in_90"] < 0.8
    assert found["other"]["n_simulations"] == 0  # a law that was not run is still listed


def test_holm_keeps_the_failure_rate_of_everything_together():
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(2000):
        p_values = {str(i): float(p) for i, p in enumerate(rng.random(50))}
        false_alarms += min(holm(p_values).values()) < FAILURE_RATE
    assert false_alarms / 2000 < 0.02  # 4.5 standard errors above 1 %


def test_ranks_have_one_bin_more_than_draws():
    draws = np.arange(10 * N_KEPT, dtype=float)
    assert (rank(-1.0, draws), rank(1e9, draws)) == (0, N_KEPT)


@pytest.mark.parametrize("name", sorted(LAWS))
def test_every_law_gives_a_table_and_two_points_beyond_it(name):
    made = simulate(LAWS[name], 2, ScalePrior())
    again = simulate(LAWS[name], 2, ScalePrior())
    assert np.array_equal(made.arrays["log_loss"], again.arrays["log_loss"])
    assert np.isfinite(made.arrays["log_loss"]).all()
    assert made.arrays["mask"].sum() == N_RUNS and made.evidence.has_trunks
    assert made.evidence.log_reference["loss"] == pytest.approx(np.log(REFERENCE_LOSS_NATS))
    assert np.exp(made.distance) == pytest.approx([COST_FACTOR] * 2)


def test_simulated_noise_has_the_spread_and_the_shared_part_that_the_model_says():
    """Over many tables, log loss minus the truth's own curve, against its own scale."""
    law, white, pairs = LAWS["chinchilla"], [], []
    for number in range(2, 300, 3):  # those with trunks
        made = simulate(law, number, ScalePrior())
        at = made.unpack(made.z)
        theta = law.from_unconstrained(at.coefficients, made.evidence.log_reference, np)
        path = np.concatenate([at.tau * made.path[:6], at.rho * made.path[6:]])
        basis = np.concatenate([made.arrays["along_cost"], made.arrays["along_ratio"]], axis=1)
        curve = np.log(law(theta, made.arrays["columns"])) + basis @ path
        scale = at.sigma * np.exp(at.growth * made.arrays["off_centre"])
        noise = ((made.arrays["log_loss"] - curve) / scale)[:N_RUNS]
        white.append(noise)
        pairs.append(noise[0] * noise[1] / at.run_share)
    variance = 6 / (6 - 2)  # of a Student t with 6 degrees of freedom
    assert np.mean(np.square(white)) == pytest.approx(variance, rel=0.2)
    assert np.mean(pairs) == pytest.approx(variance, abs=4 * np.std(pairs) / np.sqrt(len(pairs)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_default_law_is_calibrated():
    prior = corpus_prior()
    rows = [ranks_of(simulate(LAWS["chinchilla"], i, prior), "laplace", i) for i in range(60)]
    assert judge({"chinchilla": rows})["chinchilla"]["failed"] == []
