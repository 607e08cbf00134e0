from dataclasses import replace

import numpy as np
import pytest
from search_world import pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.search import CandidatePool, plan, plan_in_space, screening
from bayeslaw.search.planner import worth
from bayeslaw.space import Candidate, SearchSpace

TARGET = [Candidate(c.architecture, 20_000_000) for c in pool(40, seed=2, scale=1.5)]
ASKED = {"target_candidates": TARGET, "baseline": Candidate(shape(6, 192), 20_000_000)}
SPACE = SearchSpace(
    axes={
        "n_layers": {"min": 1, "max": 40, "step": 1}, "d_model": {"min": 16, "max": 512, "step": 1},
        "n_heads": [2, 4, 8], "n_kv_heads": [1, 2, 4, 8], "head_dim": [8, 16, 32],
        "d_ff": {"min": 16, "max": 2048, "step": 1}, "vocab_size": 257,
        "n_tokens": {"min": 500_000, "max": 8_000_000, "step": 1_000},
    },
    constraints=("n_params <= 3e6", "mlp_attention_ratio <= 6"),
)  # fmt: skip


def test_a_large_pool_is_screened_to_what_a_close_look_would_have_chosen(unsure_world, monkeypatch):
    beliefs, done = unsure_world
    large = CandidatePool.from_candidates(pool(1500, seed=5))
    (close,) = plan(beliefs, large, done=done, budget_gpu_hours=0.05, **ASKED)
    monkeypatch.setattr(screening, "N_SCORED", 300)
    (screened,) = plan(beliefs, large, done=done, budget_gpu_hours=0.05, **ASKED)
    assert screened.record["n_candidates"] == 1500
    assert screened.record["n_scored"] <= 300
    assert screened.value_per_hour > 0.9 * close.value_per_hour
    with pytest.raises(InvalidInputError, match="scores every candidate itself"):
        plan(beliefs, large, done=done, acquisition="qlognehvi")


def test_a_climb_finds_better_runs_than_the_sample_and_keeps_every_constraint(unsure_world):
    beliefs, done = unsure_world
    asked = {"done": done, "budget_gpu_hours": 0.5, **ASKED}
    sampled = SPACE.sample(64, seed=1)
    assert SPACE.size > 1e12
    found = plan_in_space(beliefs, SPACE, n_sampled=64, q=3, seed=1, **asked)
    assert len(found) == 3
    for suggestion in found:
        assert SPACE.violations(suggestion.candidate) == []
    power = found[0].record["cost_power"]
    in_sample = worth(beliefs, sampled, cost_power=power, seed=1, **asked).max()
    climbed = worth(beliefs, [found[0].candidate], cost_power=power, seed=1, **asked)
    assert climbed[0] > in_sample
    again = plan_in_space(beliefs, SPACE, n_sampled=64, q=3, seed=1, **asked)
    assert [s.to_dict() for s in again] == [s.to_dict() for s in found]


def test_fixed_axes_stay_fixed(unsure_world):
    beliefs, done = unsure_world
    (found,) = plan_in_space(
        beliefs, SPACE.fix(n_layers=7, n_tokens=2_000_000), n_sampled=32, done=done, **ASKED
    )
    assert found.candidate.architecture.n_layers == 7
    assert found.candidate.n_tokens == 2_000_000


def test_what_costs_too_much_is_worth_nothing(unsure_world):
    beliefs, _ = unsure_world
    candidates = pool(30)
    hours = beliefs.cost.predict(candidates)["p50"]
    values = worth(beliefs, candidates, max_gpu_hours=float(np.median(hours)), **ASKED)
    assert np.isinf(values).tolist() == (hours > np.median(hours)).tolist()
    with pytest.raises(InvalidInputError, match="cost model"):
        worth(replace(beliefs, cost=None), candidates, max_gpu_hours=1.0, **ASKED)
