from dataclasses import replace

import numpy as np
import pytest
from search_world import pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.search import plan
from bayeslaw.search.acquisition import Problem, find_acquisition
from bayeslaw.search.acquisition.target_lookahead import error_removed, gain
from bayeslaw.search.conditioning import condition
from bayeslaw.search.portfolio import choose_runs
from bayeslaw.space import Candidate

WAY = find_acquisition("target_lookahead")
SCORE = WAY.score


def two_alternatives(n_draws=20_000, noise_sd=0.5, goal="choice"):
    """Rows: a run that shares A's unknown, one that shares nothing, then targets A, B and a hopeless one."""
    rng = np.random.default_rng(0)
    unknown = rng.standard_normal((n_draws, 2))
    unknown = (unknown - unknown.mean(0)) / unknown.std(0)
    nothing = 0 * unknown[:, 0]
    columns = (unknown[:, 0], unknown[:, 1], unknown[:, 0], nothing, nothing + 50)
    log_losses = np.stack(columns, axis=1)
    return Problem(
        n_candidates=2, n_done=0, n_pending=0, features=np.zeros((5, 1)), feature_names=("n",),
        seed=0, n_target=3, log_losses=log_losses, noise_sd=np.full(5, noise_sd), goal=goal,
        target_utilities=100 - log_losses[:, 2:, None], target_margins=np.ones((n_draws, 3, 0)),
    )  # fmt: skip


def test_the_gain_is_that_of_two_normal_alternatives():
    problem = two_alternatives()
    value = np.exp(SCORE(problem, []))
    # Utilities are shares of a box whose width follows from the medians; a ratio needs no width.
    sharper = np.exp(SCORE(replace(problem, noise_sd=np.zeros(5)), []))
    # E max(0, b z) = b / sqrt(2 pi), and b falls by sqrt(1 / (1 + noise^2)).
    assert value[0] / sharper[0] == pytest.approx(1 / np.sqrt(1.25), rel=1e-3)
    assert value[1] < 0.03 * value[0]


def test_what_a_pending_run_will_tell_is_not_paid_for_twice():
    problem = two_alternatives()
    once, again = (np.exp(SCORE(problem, taken))[0] for taken in ([], [0]))
    # Variance 1 falls to .2, so the second result moves A by .298 after the first has moved it by .894;
    # what it adds to E max(0, N(0, .894^2)) is the root of the summed squares less .894.
    added = np.sqrt(1 + (0.2 / np.sqrt(0.45)) ** 2 * 1.25) - 1
    assert again / once == pytest.approx(added, rel=0.05)
    assert gain(problem, [0, 0]) / gain(problem, [0]) == pytest.approx(1 + added, rel=0.01)


def test_a_front_is_worth_its_hypervolume():
    rng = np.random.default_rng(1)
    points = rng.random((1, 12, 2))
    problem = replace(
        two_alternatives(64),
        n_target=12,
        goal="front",
        log_losses=np.zeros((64, 14)),
        noise_sd=np.full(14, 0.1),
        target_utilities=np.repeat(points, 64, axis=0),
        target_margins=np.ones((64, 12, 0)),
    )
    from bayeslaw.search.acquisition.aims import aims_of
    from bayeslaw.search.front import reference_and_ideal

    aims = aims_of(problem)
    found = float(aims.best(aims.values.mean(axis=0))) * np.pi / 4
    reference, ideal = reference_and_ideal(points, np.ones((1, 12), dtype=bool))
    scaled = np.maximum((points[0] - reference) / (ideal - reference), 0)
    by_x = scaled[np.argsort(-scaled[:, 0])]
    covered = np.maximum.accumulate(by_x[:, 1])
    volume = (by_x[:, 0] * np.diff(covered, prepend=0)).sum()
    assert found == pytest.approx(volume, rel=0.08)


def test_error_is_what_is_explained_within_and_between_laws():
    problem = two_alternatives(goal="error")
    state = condition(problem, problem.log_losses[:, problem.target])
    assert error_removed(state)[0] == pytest.approx(1 / 1.25, rel=1e-6)
    # Two laws that are sure of themselves and differ by 2 at the candidate and by 6 at the target.
    two = replace(
        problem,
        log_losses=np.repeat([[0.0, 0.0, 0.0], [2.0, 0.0, 6.0]], 50, axis=0),
        law=np.repeat([0, 1], 50), n_target=1, noise_sd=np.full(3, 0.1), features=np.zeros((3, 1)),
    )  # fmt: skip
    state = condition(two, two.log_losses[:, two.target])
    assert error_removed(state, eta=1.0) == pytest.approx([9.0, 0.0], abs=1e-6)


def test_cheap_runs_cannot_buy_off_the_error_of_the_form():
    # Beyond the runs a Brownian path takes over: it has moved by 1 at the run and by 3 at the target.
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((20_000, 3))
    path = np.cumsum(steps, axis=1)
    problem = replace(
        two_alternatives(),
        n_candidates=2, n_target=1, features=np.zeros((3, 1)),
        log_losses=np.stack([0 * path[:, 0], path[:, 0], path[:, 2]], axis=1),
        noise_sd=np.full(3, 0.01), goal="error",
    )  # fmt: skip
    state = condition(problem, problem.log_losses[:, problem.target], [0] * 50)
    assert state.aim_variance[0, 0] == pytest.approx(3.0, rel=0.05)
    assert error_removed(state)[1] == pytest.approx(1.0, rel=0.05)


def test_a_small_budget_is_not_frittered_away():
    # Ten cheap runs see the target dimly and alike, one dear run sees it well.
    rng = np.random.default_rng(0)
    unknown, other = rng.standard_normal((2, 5000))
    cheap = 0.2 * unknown + other
    problem = Problem(
        n_candidates=11, n_done=0, n_pending=0, n_target=1, features=np.zeros((12, 1)),
        feature_names=("n",), seed=0, hours=np.array([0.02] * 10 + [1.0]), goal="error",
        log_losses=np.stack([*([cheap] * 10), unknown, unknown], axis=1), noise_sd=np.full(12, 0.1),
    )  # fmt: skip
    greedy = choose_runs(replace(WAY, cost_powers=(1.0,)), problem, budget_hours=1.0)
    planned = choose_runs(WAY, problem, budget_hours=1.0)
    assert 10 not in greedy.rows
    assert planned.rows[0] == 10 and planned.cost_power < 1


def test_few_runs_are_dear_ones():
    # Runs whose cost falls with their noise: many cheap ones are worth more for their hours, but not
    # if there may be two only.
    rng = np.random.default_rng(0)
    unknown = rng.standard_normal(4000)
    noise = np.repeat([1.0, 0.3], 40)
    problem = Problem(
        n_candidates=80, n_done=0, n_pending=0, n_target=1, features=np.zeros((81, 1)),
        feature_names=("n",), seed=0, hours=np.repeat([0.05, 2.0], 40), goal="error",
        log_losses=np.stack([unknown] * 81, axis=1), noise_sd=np.append(noise, 0.1),
    )  # fmt: skip
    many = choose_runs(WAY, problem, budget_hours=4.0, n_runs=2)
    few = choose_runs(WAY, problem, budget_hours=4.0, n_runs=2, max_runs=2)
    assert all(row < 40 for row in many.rows)
    assert all(row >= 40 for row in few.rows)


def test_a_run_that_will_likely_fail_is_worth_less():
    problem = two_alternatives()
    half = replace(problem, p_success=np.array([0.5, 1.0]))
    assert SCORE(half, [])[0] == pytest.approx(SCORE(problem, [])[0] + np.log(0.5))


def test_a_plan_for_a_target_avoids_pending_and_says_what_it_teaches(unsure_world):
    beliefs, done = unsure_world
    target = [Candidate(c.architecture, 20_000_000) for c in pool(60, seed=2, scale=1.5)]
    baseline = Candidate(shape(6, 192), 20_000_000)
    asked = {
        "done": done, "q": 2, "budget_gpu_hours": 1.0, "target_candidates": target,
        "baseline": baseline, "limits": "tpot_ms <= 0.95 * baseline.tpot_ms",
    }  # fmt: skip
    first, second = plan(beliefs, pool(100), **asked)
    assert first.candidate != second.candidate
    assert first.value > 0
    assert 0 < first.record["value_stderr"] < first.value
    assert "teach most about the choice at the target" in first.why
    again = plan(beliefs, pool(100), **asked)
    assert [s.to_dict() for s in again] == [s.to_dict() for s in (first, second)]
    with pytest.raises(InvalidInputError, match="give target_candidates"):
        plan(beliefs, pool(100), **{**asked, "target_candidates": ()})
    dearest = max(s.cost_gpu_hours["p50"] for s in (first, second))
    cheaper = plan(beliefs, pool(100), **asked, max_gpu_hours=dearest / 2)
    assert all(s.cost_gpu_hours["p50"] <= dearest / 2 for s in cheaper)
