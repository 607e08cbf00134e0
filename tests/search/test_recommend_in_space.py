"""A recommendation out of a space that is never written down."""

from dataclasses import replace

import pytest
from search_world import shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.search import recommend
from bayeslaw.search.recommend_in_space import recommend_in_space
from bayeslaw.space import Candidate, SearchSpace

SPACE = SearchSpace(
    axes={"n_layers": {"min": 1, "max": 40, "step": 1}, "d_model": {"min": 16, "max": 1024, "step": 16},
          "n_heads": [1, 2, 4, 8, 16], "n_kv_heads": [1, 2, 4, 8], "head_dim": [16, 32, 64],
          "d_ff": {"min": 16, "max": 4096, "step": 16}, "vocab_size": 257, "n_tokens": 20_000_000},
    constraints=("2.5e6 <= n_params <= 2.7e6",),
)  # fmt: skip


@pytest.mark.parametrize("limits", [(), "aspect_ratio <= 40"])
def test_a_climb_finds_better_members_than_a_larger_sample(known_world, limits):
    asked = {
        "objectives": "-loss_nats",
        "limits": limits,
        "baseline": Candidate(shape(6, 192), 20_000_000),
    }
    beliefs = replace(known_world[0], latency=None)
    rounds = []
    found = recommend_in_space(beliefs, SPACE, n_sampled=96, on_round=rounds.append, **asked)
    assert SPACE.contains(found.chosen.candidate) and rounds
    assert found.chosen.p_feasible >= 0.8
    larger = SPACE.sample(rounds[-1].n_evaluations, seed=7)
    both = recommend(beliefs, [*larger, found.chosen.candidate], **asked)
    ours, best = both.forecasts[-1], both.chosen
    assert ours.expected_regret <= best.expected_regret + 1e-3


def test_it_is_the_same_for_the_same_seed_and_checks_its_input(known_world):
    beliefs = replace(known_world[0], latency=None)
    first, second = (
        recommend_in_space(beliefs, SPACE, n_sampled=16, objectives="-loss", seed=3).to_dict()
        for _ in range(2)
    )
    assert first == second
    with pytest.raises(InvalidInputError, match="n_sampled"):
        recommend_in_space(beliefs, SPACE, n_sampled=0)
