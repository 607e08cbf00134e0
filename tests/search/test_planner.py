import json
from dataclasses import replace

import numpy as np
import pytest
from search_world import ChinchillaBelief, finished, pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run
from bayeslaw.search import Beliefs, PredictiveEnsemble, plan
from bayeslaw.search.acquisition import Problem, find_acquisition
from bayeslaw.search.acquisition.space_filling import unit_features
from bayeslaw.space import Candidate


def problem(utilities, *, n_done, n_pending=0, margins=None, features=None):
    n_rows = utilities.shape[1]
    margins = np.ones((*utilities.shape[:2], 0)) if margins is None else margins
    features = np.zeros((n_rows, 1)) if features is None else features
    return Problem(
        n_rows - n_done - n_pending, n_done, n_pending, features, ("n_tokens",), 0,
        utilities=utilities, margins=margins, reference_point=np.zeros(utilities.shape[-1]),
        ideal_point=np.ones(utilities.shape[-1]),
    )  # fmt: skip


def certain(points, n_draws=16):
    return np.broadcast_to(np.array(points, dtype=float), (n_draws, len(points), 2)).copy()


QLOGNEHVI = find_acquisition("qlognehvi").score


def test_the_value_is_the_hypervolume_that_a_certain_candidate_adds():
    # A done run covers 0.5 x 0.5; candidates add 0.25 (to 1 x 0.5), 0.15 and next to nothing.
    points = [[1.0, 0.5], [0.5, 0.8], [0.4, 0.4], [0.5, 0.5]]
    value = np.exp(QLOGNEHVI(problem(certain(points), n_done=1), []))
    assert value == pytest.approx([0.25, 0.15, 0.0], abs=3e-3)


def test_a_candidate_that_covers_the_same_as_a_pending_one_is_worth_little():
    points = [[1.0, 0.5], [0.5, 1.0], [0.5, 0.5], [1.0, 0.5]]
    score = QLOGNEHVI(problem(certain(points), n_done=1, n_pending=1), [])
    assert np.argmax(score) == 1
    assert np.exp(score[0]) < 0.01
    both = QLOGNEHVI(problem(certain(points[:3]), n_done=1), [0])
    assert np.argmax(both) == 1


def test_value_outside_the_limits_does_not_count():
    points = [[1.0, 1.0], [0.6, 0.6], [0.5, 0.5]]
    margins = np.ones((16, 3, 1))
    margins[:, 0] = -1.0
    score = QLOGNEHVI(problem(certain(points), n_done=1, margins=margins), [])
    assert np.argmax(score) == 1


def test_members_are_compared_with_their_own_front():
    # All share one big error; the candidate is always 0.1 better than the run, so it gains surely.
    rng = np.random.default_rng(0)
    shared = rng.uniform(0.2, 0.6, (64, 1, 1))
    points = certain([[0.1, 0.1], [-0.1, -0.1], [0.0, 0.0]], 64) + shared
    value = np.exp(QLOGNEHVI(problem(points, n_done=1), []))
    expected = ((shared + 0.1) ** 2 - shared**2).mean()
    assert value[0] == pytest.approx(expected, rel=0.05)
    assert value[1] < 0.002


def test_one_objective_is_refused_with_a_way_out():
    with pytest.raises(InvalidInputError, match="name a second one"):
        QLOGNEHVI(problem(certain([[1, 1], [0, 0]])[..., :1], n_done=1), [])


def test_a_plan_avoids_done_and_pending_runs_keeps_the_budget_and_repeats(known_world):
    beliefs, done = known_world
    pending = [Run("p", c.n_tokens, c.architecture) for c in pool(3, seed=4)]
    candidates = [*pool(150), *pool(3, seed=4), *pool(10, seed=9)]
    known = {Candidate(r.architecture, r.n_tokens) for r in (*done, *pending)}
    budget = 0.02
    for name in ("qlognehvi", "space_filling", "random"):
        first, second = (
            plan(
                beliefs, candidates, done=done, pending=pending, q=3,
                budget_gpu_hours=budget, seed=5, acquisition=name,
            )
            for _ in range(2)
        )  # fmt: skip
        assert [s.to_dict() for s in first] == [s.to_dict() for s in second]
        assert 1 <= len({s.candidate for s in first}) == len(first)
        assert not known & {s.candidate for s in first}
        assert sum(s.cost_gpu_hours["p50"] for s in first) <= budget
        json.dumps([s.to_dict() for s in first], allow_nan=False)


def test_a_suggestion_says_what_why_and_for_how_long(known_world):
    beliefs, done = known_world
    (found,) = plan(
        beliefs, pool(60), done=done, limits="tpot_ms <= 20", seed=1, acquisition="qlognehvi"
    )
    assert found.loss_nats["p05"] < found.loss_nats["p50"] < found.loss_nats["p95"]
    assert found.tpot_ms["p05"] < found.tpot_ms["p95"]
    assert found.value_per_hour == pytest.approx(found.value / found.cost_gpu_hours["p50"])
    for part in ("nats/token", "ms/token", "device-", "extends the front", "keeps all limits"):
        assert part in found.why
    assert set(found.record["reference_point"]) == {"-loss_nats", "-tpot_ms"}


def test_a_budget_that_pays_for_nothing_gives_an_empty_plan(known_world):
    beliefs, done = known_world
    assert plan(beliefs, pool(20), done=done, budget_gpu_hours=1e-9) == []


def test_the_first_set_spreads_over_size_tokens_and_shape_within_its_budget(known_world):
    beliefs, _ = known_world
    candidates = pool(200)
    costs = beliefs.cost.predict(candidates)["p50"]
    first = plan(
        Beliefs(cost=beliefs.cost), candidates, q=8, budget_gpu_hours=float(8 * np.median(costs)),
        acquisition="space_filling",
    )  # fmt: skip
    assert len(first) == 8
    assert all(s.loss_nats is None and s.value is None for s in first)
    for name in ("n_tokens", "n_params_body", "aspect_ratio"):
        values = [
            float(getattr(s.candidate, name, None) or getattr(s.candidate.architecture, name))
            for s in first
        ]
        assert max(values) / min(values) > 4, name


def test_space_filling_leaves_out_features_that_never_vary_and_avoids_pending():
    features = np.array([[0.0, 1], [1.0, 1], [0.5, 1], [0.0, 1]])
    asked = problem(np.zeros((2, 4, 2)), n_done=0, n_pending=1, features=features)
    assert unit_features(asked).shape == (4, 1)
    assert np.argmax(find_acquisition("space_filling").score(asked, [])) == 1


def test_missing_beliefs_and_bad_numbers_are_refused(known_world):
    beliefs, done = known_world
    candidates, target = pool(5), pool(3, seed=2)
    for changes, message in (
        ({"q": 0}, "q must be"),
        ({"budget_gpu_hours": -1.0}, "must be positive"),
        ({"acquisition": "ucb"}, "must be one of"),
        ({"goal": "fame"}, "must be one of"),
        ({"max_gpu_hours": 0.0}, "must be positive"),
        ({"limits": "tpot_ms <= baseline.tpot_ms"}, "needs a baseline"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            plan(beliefs, candidates, done=done, target_candidates=target, **changes)
    with pytest.raises(InvalidInputError, match="needs a fitted loss law"):
        plan(replace(beliefs, loss=None), candidates)
    with pytest.raises(InvalidInputError, match="no latency was measured"):
        plan(replace(beliefs, latency=None), candidates, target_candidates=target)
    with pytest.raises(InvalidInputError, match="needs a cost model"):
        plan(replace(beliefs, cost=None), candidates, budget_gpu_hours=1.0)
    with pytest.raises(InvalidInputError, match="no candidates"):
        plan(beliefs, [])
    only = Candidate(shape(2, 64), 1_000_000)
    with pytest.raises(InvalidInputError, match="all 1 candidates"):
        plan(beliefs, [only], done=[finished(only, "x")])
    with pytest.raises(InvalidInputError, match="only for a workload"):
        Beliefs(
            loss=PredictiveEnsemble.from_beliefs([ChinchillaBelief(9)]), latency=beliefs.latency
        )


def test_a_plan_says_when_nothing_is_left_to_gain(known_world):
    beliefs, done = known_world
    # A wide and deep network on next to no tokens is slower and worse than what is done.
    useless = [Candidate(shape(12, 384), 1000 + i) for i in range(3)]
    (found,) = plan(beliefs, useless, done=done, limits="tpot_ms <= 0.001", acquisition="qlognehvi")
    assert found.value < 1e-6
    assert "nothing is expected to be gained" in found.why


@pytest.mark.parametrize("acquisition", ["qlognehvi", "space_filling"])
def test_a_failed_run_is_not_repeated_and_not_a_point_of_the_front(known_world, acquisition):
    beliefs, _ = known_world
    candidates = pool(24, seed=21)
    best = plan(beliefs, candidates, q=1, seed=0, acquisition=acquisition)[0].candidate
    failed = Run("bad", best.n_tokens, best.architecture).advance("running")
    failed = failed.advance("failed", reason="diverged")
    without = plan(
        beliefs, [c for c in candidates if c != best], q=2, seed=0, acquisition=acquisition
    )
    again = plan(beliefs, candidates, done=[failed], q=2, seed=0, acquisition=acquisition)
    assert [s.candidate for s in again] == [s.candidate for s in without]
    assert best not in [s.candidate for s in again]
