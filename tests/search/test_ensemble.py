import numpy as np
import pytest
import torch
from search_world import ChinchillaBelief, pool

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import candidate_columns
from bayeslaw.search import MemberSampler, PoolModel, PredictiveEnsemble


def test_what_botorch_sees_is_what_the_law_says():
    belief, candidates = ChinchillaBelief(), pool(30)
    ensemble = PredictiveEnsemble.from_beliefs([belief], n_members=400)
    direct = belief.losses(candidate_columns(candidates))
    model, sampler = PoolModel(ensemble.losses(candidates)), MemberSampler(400)
    rows = torch.arange(30, dtype=torch.float64).reshape(15, 2, 1)  # a batch of pairs
    samples = sampler(model.posterior(rows)).numpy()
    assert samples.shape == (400, 15, 2, 1)
    assert np.abs(samples.reshape(400, 30) - direct).max() <= 1e-12


def test_every_candidate_of_a_batch_meets_the_same_members():
    values = np.arange(5.0)[:, None] * np.ones(4)
    samples = MemberSampler(5)(PoolModel(values).posterior(torch.zeros(3, 1, 1)))
    assert samples[:, 0, 0, 0].tolist() == samples[:, 2, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_beliefs_get_members_by_weight_and_none_is_drawn_twice():
    beliefs = [ChinchillaBelief(seed=seed) for seed in range(3)]
    ensemble = PredictiveEnsemble.from_beliefs(beliefs, [3, 1, 0], n_members=100)
    assert [len(rows) for rows in ensemble.rows] == [75, 25]
    assert all(len(set(rows)) == len(rows) for rows in ensemble.rows)
    assert ensemble.weights.sum() == pytest.approx(1)


def test_a_belief_with_few_draws_keeps_its_weight():
    few, many = ChinchillaBelief(n_draws=10), ChinchillaBelief(seed=1)
    ensemble = PredictiveEnsemble.from_beliefs([few, many], n_members=100)
    assert ensemble.n_members == 60
    assert ensemble.weights[:10].sum() == pytest.approx(0.5)
    assert np.mean(ensemble.members(1000, seed=0) < 10) == pytest.approx(0.5, abs=0.002)


def test_equal_members_each_appear_once():
    ensemble = PredictiveEnsemble.from_beliefs([ChinchillaBelief()], n_members=64)
    assert sorted(ensemble.members(64, seed=1)) == list(range(64))


@pytest.mark.parametrize(
    ("beliefs", "weights", "message"),
    [
        ([], None, "at least one"),
        ([ChinchillaBelief(10)], [1, 2], "2 weights for 1"),
        ([ChinchillaBelief(10)], [-1], "not negative"),
        ([ChinchillaBelief(10)], [float("nan")], "finite"),
        ([ChinchillaBelief(10)], [0], "not all zero"),
    ],
)
def test_bad_ensembles_are_refused(beliefs, weights, message):
    with pytest.raises(InvalidInputError, match=message):
        PredictiveEnsemble.from_beliefs(beliefs, weights)


def test_a_loss_that_is_not_finite_is_refused():
    belief = ChinchillaBelief(10)
    belief.theta["A"][3] = np.nan
    ensemble = PredictiveEnsemble.from_beliefs([belief], n_members=10)
    with pytest.raises(InvalidInputError, match="not finite"):
        ensemble.losses(pool(3))
