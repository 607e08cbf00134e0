from dataclasses import replace

import numpy as np
import pytest

from bayeslaw.errors import InvalidInputError, NotEnoughRunsError
from bayeslaw.search.acquisition.hvkg import HVKG, MAX_SCORED
from bayeslaw.search.acquisition.problem import Problem
from bayeslaw.search.acquisition.target_designs import best_sets

NAMES = ("n_params_body", "n_tokens", "aspect_ratio")


def problem(n_candidates=24, n_done=16, n_target=12, n_pending=0, seed=0):
    """Loss falls with size and tokens and has a best shape; speed falls with size and width."""
    rng = np.random.default_rng(seed)
    n = n_candidates + n_done + n_pending
    features = np.concatenate(
        [
            np.stack([rng.uniform(14, 18, n), rng.uniform(20, 24, n), rng.uniform(3, 7, n)], axis=1),
            np.stack([np.full(n_target, 21.0), np.full(n_target, 27.0),
                      np.linspace(3, 7, n_target)], axis=1),
        ]
    )  # fmt: skip
    size, tokens, ratio = features.T
    log_loss = 1.5 - 0.04 * size - 0.02 * tokens + 0.02 * (ratio - 5) ** 2
    second = -(2.0 ** (0.1 * size + 0.3 * ratio - 3))
    utilities = np.stack([-np.exp(log_loss), second], axis=1)[None].repeat(8, axis=0)
    done = slice(n_candidates, n_candidates + n_done)
    return Problem(
        n_candidates=n_candidates, n_done=n_done, n_pending=n_pending, n_target=n_target,
        features=features, feature_names=NAMES, seed=3, hours=np.ones(n_candidates),
        utilities=utilities, margins=np.zeros((8, len(features), 0)),
        done_log_losses=log_loss[done] + 1e-3 * rng.standard_normal(n_done),
    )  # fmt: skip


def test_the_set_chosen_covers_what_its_front_covers():
    rng = np.random.default_rng(0)
    values = rng.random((3, 5, 9, 2))
    sets, volumes = best_sets(values, np.array([0.1, 0.2]), 9)
    for index in np.ndindex(3, 5):
        grid = rng.random((20_000, 2))
        above = (values[index][None] >= grid[:, None]).all(axis=-1).any(axis=1)
        inside = (grid >= [0.1, 0.2]).all(axis=1)
        assert volumes[index] == pytest.approx((above & inside).mean(), abs=0.015)
    # Nine of nine cover all; fewer cover no more.
    assert (best_sets(values, np.array([0.1, 0.2]), 2)[1] <= volumes + 1e-12).all()
    assert (sets[..., 0] == np.prod(np.maximum(values - [0.1, 0.2], 0), axis=-1).argmax(-1)).all()


def test_it_scores_every_candidate_of_a_small_pool_and_says_the_same_again():
    asked = problem(n_candidates=8, n_done=10, n_pending=2)
    scores = HVKG.score(asked, [])
    assert scores.shape == (8,)
    assert np.isfinite(scores).all()
    assert scores.max() > np.log(1e-6)  # something is worth doing
    assert (scores == HVKG.score(asked, [])).all()


def test_a_run_that_repeats_what_is_known_is_worth_less_than_one_near_the_target():
    asked = problem(n_candidates=2, n_done=30)
    features = asked.features.copy()
    features[0] = features[2]  # a done run's own point
    features[1] = [20.5, 26.5, 5.0]  # nearly the target, the shape that matters
    known, near = HVKG.score(replace(asked, features=features), [])
    assert near > known + 1


def test_of_a_large_pool_a_share_is_scored_and_what_is_taken_or_dear_is_not():
    asked = replace(problem(n_candidates=200), hours=np.repeat([1e9, 1.0], 100))
    scores = HVKG.score(asked, [150])
    assert np.isfinite(scores).sum() == MAX_SCORED
    assert np.isneginf(scores[:100]).all()
    assert np.isneginf(scores[150])


def test_what_it_cannot_do_it_says():
    asked = problem()
    with pytest.raises(InvalidInputError, match="issue 2159"):
        HVKG.score(replace(asked, margins=np.ones((8, len(asked.features), 1))), [])
    with pytest.raises(InvalidInputError, match="two objectives, loss first, got 1"):
        HVKG.score(replace(asked, utilities=asked.utilities[..., :1]), [])
    with pytest.raises(NotEnoughRunsError, match="needs 5, got 3"):
        HVKG.score(problem(n_done=3), [])
    with pytest.raises(InvalidInputError, match="give target_candidates"):
        HVKG.score(problem(n_target=0), [])
    with pytest.raises(InvalidInputError, match="takes compute for the fidelity"):
        HVKG.score(replace(asked, feature_names=("a", "b", "c")), [])
    with pytest.raises(InvalidInputError, match="needs done runs"):
        HVKG.score(replace(asked, utilities=None), [])
