import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.candidates import improve
from bayeslaw.space import Architecture, Candidate, SearchSpace

SPACE = SearchSpace(
    dict(
        n_layers={"min": 4, "max": 103, "step": 1}, d_model={"min": 256, "max": 12800, "step": 64},
        n_heads={"min": 4, "max": 127, "step": 1}, n_kv_heads={"min": 1, "max": 64, "step": 1},
        head_dim=[64, 96, 128, 192, 256], d_ff={"min": 512, "max": 51200, "step": 128},
        vocab_size=[50432, 128256], tied_embeddings=[True, False],
        n_tokens=[10**9 * 2**i for i in range(8)],
    ),
    ("0.95e9 <= n_params <= 1.05e9", "0.5 <= mlp_attention_ratio <= 5",
     "n_heads * head_dim == d_model"),
    tensor_parallel=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def sampled():
    return SPACE.sample(5_000, seed=1)


def worth(candidates):
    """Peak at aspect ratio 72, r 2.1, groups of 4 and 32 G tokens."""
    return np.array(
        [
            -(np.log(c.architecture.aspect_ratio / 72) ** 2)
            - np.log(c.architecture.mlp_attention_ratio / 2.1) ** 2
            - 0.1 * np.log(c.architecture.gqa_group / 4) ** 2
            - 0.1 * np.log(c.n_tokens / 32e9) ** 2
            for c in candidates
        ]
    )


def test_climbing_finds_what_three_times_as_many_samples_do_not(sampled):
    seen = []

    def counted(candidates):
        seen.extend(candidates)
        return worth(candidates)

    found = improve(SPACE, sampled[:256], counted, width=8)
    assert len(seen) == len(set(seen)) < 1_700  # nothing is scored twice
    assert all(SPACE.contains(candidate) for candidate in found)
    scores = worth(found)
    assert list(scores) == sorted(scores, reverse=True)
    assert scores[0] > 0.2 * worth(sampled).max()  # scores are below zero
    assert scores[0] > -0.003


def test_the_same_seed_climbs_to_the_same_members_and_no_start_is_lost(sampled):
    start = sampled[:64]
    found = improve(SPACE, start, worth, width=4, rounds=3, seed=5)
    assert found == improve(SPACE, start, worth, width=4, rounds=3, seed=5)
    assert worth(found).min() >= np.sort(worth(start))[-4]


def test_the_number_of_evaluations_is_kept(sampled):
    calls, told = [], []

    def counted(candidates):
        calls.append(len(candidates))
        return worth(candidates)

    found = improve(
        SPACE, sampled[:50], counted, max_evaluations=130, neighbours=16, on_round=told.append
    )
    assert sum(calls) == 130 == told[-1].n_evaluations
    assert told[-1].best_score == worth(found[:1])[0]


def test_a_member_that_may_never_be_chosen_is_left(sampled):
    def only_deep(candidates):
        deep = np.array([c.architecture.n_layers > 40 for c in candidates])
        return np.where(deep, worth(candidates), -np.inf)

    found = improve(SPACE, sampled[:256], only_deep, width=4, rounds=8)
    assert all(c.architecture.n_layers > 40 for c in found)


def test_what_makes_no_sense_is_refused(sampled):
    outside = Candidate(Architecture(4, 256, 4, 4, 64, 512, 50432), 10**9)
    with pytest.raises(InvalidInputError, match=r"cannot start from .*0\.95e9 <= n_params"):
        improve(SPACE, [outside], worth)
    with pytest.raises(InvalidInputError, match="only 10 may be scored"):
        improve(SPACE, sampled[:20], worth, max_evaluations=10)
    with pytest.raises(InvalidInputError, match="width must be at least 1, got 0"):
        improve(SPACE, sampled, worth, width=0)
    with pytest.raises(InvalidInputError, match="2 NaN"):
        improve(SPACE, sampled[:2], lambda some: np.full(len(some), np.nan))


def test_without_a_start_a_sample_of_the_space_is_taken():
    small = SPACE.fix(n_layers=24, d_model=2048, n_heads=16, head_dim=128)
    found = improve(small, [], worth, width=2, rounds=2)
    assert len(found) == 2
    assert all(small.contains(candidate) for candidate in found)
