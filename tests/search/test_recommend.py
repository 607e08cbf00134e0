import json
from dataclasses import dataclass

import numpy as np
import pytest
from search_world import ChinchillaBelief, pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.search import Beliefs, PredictiveEnsemble, recommend
from bayeslaw.space import Candidate


@dataclass
class StatedBelief:
    """Losses by width, with independent normal errors: answers follow by hand."""

    mean: dict
    sd: float = 0.0
    n_draws: int = 4000
    scatter: float = 0.0

    @property
    def sigma(self):
        return np.full(self.n_draws, self.scatter)

    def noise_scale(self, columns):
        """A run scatters by its width over 32, so that two candidates scatter apart."""
        return self.sigma[:, None] * (columns["d_model"] / 32)

    def losses(self, columns):
        rng = np.random.default_rng(0)
        mean = np.array([self.mean[int(width)] for width in columns["d_model"]])
        return mean + self.sd * rng.standard_normal((self.n_draws, len(mean)))


def wide(d_model):
    return Candidate(shape(4, d_model), 1_000_000)


def stated(mean, **changes):
    belief = StatedBelief(mean, **changes)
    return Beliefs(loss=PredictiveEnsemble.from_beliefs([belief], n_members=belief.n_draws))


def test_p_pareto_of_two_equals_and_one_dominated():
    beliefs = stated({32: 3.0, 64: 3.0, 96: 9.0}, sd=0.1)
    found = recommend(beliefs, [wide(32), wide(64), wide(96)], objectives="-loss_nats")
    p = [forecast.p_pareto for forecast in found.forecasts]
    assert p == pytest.approx([0.5, 0.5, 0.0], abs=0.03)  # 4,000 draws: sd 0.008
    assert not found.is_decided
    # E max(0, difference) of two equal normals of sd 0.1 is 0.1 / sqrt(pi).
    assert found.chosen.expected_regret == pytest.approx(0.1 / np.sqrt(np.pi), rel=0.1)


def test_the_front_of_loss_against_size():
    beliefs = stated({32: 3.0, 64: 2.5, 96: 2.6, 128: 2.4})
    found = recommend(beliefs, [wide(w) for w in (32, 64, 96, 128)], objectives="-loss, -n_params")
    assert [f.p_pareto for f in found.forecasts] == [1, 1, 0, 1]
    assert [f.candidate.architecture.d_model for f in found.front] == [128, 64, 32]
    assert found.is_decided


def test_beating_the_baseline_counts_the_scatter_of_both_runs():
    # Means differ by 0.01 in log loss; runs scatter by a Student t of 6 degrees times 0.01 and 0.02.
    beliefs = stated({32: 1.0, 64: float(np.exp(-0.01))}, scatter=0.01, n_draws=8000)
    found = recommend(beliefs, [wide(64)], baseline=wide(32), objectives="-loss_nats")
    rng = np.random.default_rng(1)
    truth = np.mean(2 * rng.standard_t(6, 10**6) - rng.standard_t(6, 10**6) < 1.0)
    assert found.chosen.p_beats["loss_nats"] == pytest.approx(truth, abs=0.02)
    assert found.chosen.p_beats_baseline == found.chosen.p_beats["loss_nats"]
    assert found.baseline is not None and found.baseline.p_beats_baseline is None


def test_the_best_latency_at_a_loss_and_the_best_loss_at_a_latency(known_world):
    beliefs, _ = known_world
    candidates = [Candidate(c.architecture, 20_000_000) for c in pool(80, seed=2)]
    baseline = Candidate(shape(6, 192), 20_000_000)
    fast = recommend(
        beliefs, candidates, baseline=baseline, objectives="-tpot_ms",
        limits="loss_nats <= baseline.loss_nats",
    )  # fmt: skip
    good = recommend(
        beliefs, candidates, baseline=baseline, objectives="-loss_nats",
        limits=["tpot_ms <= 0.95 * baseline.tpot_ms", "memory_gb <= 40"],
    )  # fmt: skip
    for found in (fast, good):
        assert found.chosen.p_feasible >= 0.8
        assert found.chosen.expected_regret == min(
            f.expected_regret for f in found.forecasts if f.p_feasible >= 0.8
        )
    allowed = [f for f in good.forecasts if f.p_feasible >= 0.8]
    assert good.chosen.loss_nats["p50"] <= min(f.loss_nats["p50"] for f in allowed) + 0.01
    assert good.chosen.p_beats["tpot_ms"] > 0.9
    assert good.regret_unit == "-loss_nats"
    json.dumps(good.to_dict(), allow_nan=False)


def test_limits_that_nobody_keeps_are_said_aloud(known_world):
    beliefs, _ = known_world
    found = recommend(beliefs, pool(10), limits="tpot_ms <= 1e-6")
    assert "limits_not_met" in {note.code for note in found.notes}
    assert not found.is_decided


def test_the_same_seed_gives_the_same_recommendation(known_world):
    beliefs, _ = known_world
    first, second = (recommend(beliefs, pool(30), seed=3).to_dict() for _ in range(2))
    assert first == second


def test_bad_questions_are_refused(known_world):
    beliefs, _ = known_world
    with pytest.raises(InvalidInputError, match="no target candidates"):
        recommend(beliefs, [])
    with pytest.raises(InvalidInputError, match="p_feasible is a probability"):
        recommend(beliefs, pool(3), p_feasible=80)
    with pytest.raises(InvalidInputError, match="needs a fitted loss law"):
        recommend(Beliefs(), pool(3))
    few = Beliefs(loss=PredictiveEnsemble.from_beliefs([ChinchillaBelief(4)]))
    with pytest.raises(InvalidInputError, match="at least 8 draws"):
        recommend(few, pool(3), objectives="-loss")
