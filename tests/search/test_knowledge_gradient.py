from dataclasses import replace

import numpy as np
import pytest
from search_world import pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.search import plan
from bayeslaw.search.acquisition import Problem, find_acquisition
from bayeslaw.space import Candidate

SCORE = find_acquisition("knowledge_gradient").score


def two_alternatives(n_draws=20_000, noise_sd=0.5):
    """Rows: a run that shares A's unknown, one that shares nothing, then targets A, B and a hopeless one."""
    rng = np.random.default_rng(0)
    unknown = rng.standard_normal((n_draws, 2))
    unknown = (unknown - unknown.mean(0)) / unknown.std(0)
    columns = (
        unknown[:, 0],
        unknown[:, 1],
        unknown[:, 0],
        0 * unknown[:, 0],
        0 * unknown[:, 0] + 50,
    )
    log_losses = np.stack(columns, axis=1)
    return Problem(
        n_candidates=2, n_done=0, n_pending=0, features=np.zeros((5, 1)), feature_names=("n",),
        utilities=100 - log_losses[..., None], margins=np.ones((n_draws, 5, 0)),
        reference_point=np.zeros(1), ideal_point=np.ones(1), seed=0, n_target=3,
        log_losses=log_losses, noise_sd=noise_sd,
    )  # fmt: skip


def test_the_gain_is_that_of_two_normal_alternatives():
    problem = two_alternatives()
    value = np.exp(SCORE(problem, []))
    # Utilities are shares of a box whose width follows from the medians; a ratio needs no width.
    sharper = np.exp(SCORE(replace(problem, noise_sd=0.0), []))
    # E max(0, b z) = b / sqrt(2 pi), and b falls by sqrt(1 / (1 + noise^2)).
    assert value[0] / sharper[0] == pytest.approx(1 / np.sqrt(1.25), rel=1e-3)
    assert value[1] < 0.03 * value[0]


def test_what_a_pending_run_will_tell_is_not_paid_for_twice():
    problem = two_alternatives()
    once, again = (np.exp(SCORE(problem, taken))[0] for taken in ([], [0]))
    # Variance 1 falls to 0.2 after one run with noise variance 0.25, so b falls from .894 to .298.
    assert again / once == pytest.approx((0.2 / np.sqrt(0.45)) / (1 / np.sqrt(1.25)), rel=0.05)


def test_a_plan_for_a_target_avoids_pending_and_says_what_it_teaches(known_world):
    beliefs, done = known_world
    target = [Candidate(c.architecture, 20_000_000) for c in pool(60, seed=2, scale=1.5)]
    baseline = Candidate(shape(6, 192), 20_000_000)
    asked = {
        "done": done, "q": 2, "budget_gpu_hours": 1.0, "acquisition": "knowledge_gradient",
        "target_candidates": target, "baseline": baseline,
        "limits": "tpot_ms <= 0.95 * baseline.tpot_ms",
    }  # fmt: skip
    first, second = plan(beliefs, pool(100), **asked)
    assert first.candidate != second.candidate
    assert first.value > 0
    assert "teach most about the choice at the target" in first.why
    with pytest.raises(InvalidInputError, match="give target_candidates"):
        plan(beliefs, pool(100), **{**asked, "target_candidates": ()})
