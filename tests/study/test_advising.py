"""What a study should run next, whatever was known in which order."""

from dataclasses import replace

import pytest
from tests.service.planner_world import config_of, history, timing_of

from bayeslaw.errors import InvalidInputError
from bayeslaw.runs import Run
from bayeslaw.search import Beliefs
from bayeslaw.space import Candidate
from bayeslaw.study import planning
from bayeslaw.study.advising import advise, to_measure
from bayeslaw.study.asking import as_can_be_asked, learn_cost, learn_latency, recommend_for
from bayeslaw.study.evidence import Evidence, first_runs_wanted, may_learn


def candidates(advice):
    return [suggestion.candidate for suggestion in advice.suggestions]


def pending(found, purpose="initial"):
    return [
        Run(f"p{i}", c.n_tokens, c.architecture, status="leased", purpose=purpose)
        for i, c in enumerate(found)
    ]


@pytest.fixture(scope="module")
def config():
    return config_of()


@pytest.fixture(scope="module")
def first(config):
    return planning.first_candidates(config, 4)


def test_at_first_runs_are_spread_as_a_study_without_a_service_spreads_them(config, first):
    advice = advise(config, Evidence([]), Beliefs(), n_runs=10)
    assert candidates(advice) == first
    assert (advice.purpose, advice.round_number) == ("initial", 0)


def test_of_the_first_runs_only_those_are_planned_that_nobody_has_begun(config, first):
    evidence = Evidence(pending(first[:3]))
    found = candidates(advise(config, evidence, Beliefs(), n_runs=10))
    assert len(found) == 1 and not set(found) & set(first[:3])


def test_history_counts_at_once_and_failed_runs_are_made_up_for(config, first):
    done = history(first)
    assert first_runs_wanted(config, Evidence(done)) == 0
    assert may_learn(config, Evidence(done))
    failed = pending(first[:1])[0].advance("failed", reason="the loss was nan")
    assert first_runs_wanted(config, Evidence([*done[:3], failed])) == 1


def test_one_slow_run_does_not_keep_the_law_waiting(config, first):
    done, slow = history(first), pending(first)
    assert not may_learn(config, Evidence([*done[:2], *slow[2:]]))  # a law needs three
    assert may_learn(config, Evidence([*done[:3], slow[3]]))
    assert not may_learn(config, Evidence(done[:3]))  # one was not handed out yet
    waiting = advise(config, Evidence([*done[:2], *slow[2:]]), Beliefs(), n_runs=1).waiting
    assert waiting is not None and waiting.code == "waiting-for-results"


def test_a_superseded_run_is_made_up_for(config, first):
    done = history(first)
    done[0] = done[0].superseded_for("the evaluation text leaked")
    assert first_runs_wanted(config, Evidence(done)) == 1


def test_without_a_law_runs_differ_from_all_so_far_and_follow_from_the_events():
    config = config_of(acquisition="random", rounds=100, pool=16)
    known = history(config.training_space.sample(30, seed=5))
    advice = advise(config, Evidence(known), Beliefs(), n_runs=50)
    found = candidates(advice)
    assert len(set(found)) == 50
    assert not set(found) & {Candidate(run.architecture, run.n_tokens) for run in known}
    assert candidates(advise(config, Evidence(known), Beliefs(), n_runs=50)) == found


def test_nothing_is_planned_beyond_the_budget_the_rounds_and_the_space(config, first):
    done = history(first)
    spent = advise(config, Evidence(done, spent_gpu_hours=10.0), Beliefs(), n_runs=1)
    assert spent.exhausted is not None and spent.exhausted.code == "budget-spent"
    dear = [replace(run, cost_gpu_hours=6.0) for run in pending(first[:2])]
    committed = advise(config, Evidence(dear), Beliefs(), n_runs=1)
    assert committed.waiting is not None and committed.waiting.code == "budget-committed"
    few = config_of(acquisition="random", rounds=1, runs_per_round=1, initial_runs=1)
    handed_out = pending(first[:2], "suggested")
    over = advise(few, Evidence(handed_out), Beliefs(), n_runs=1)
    assert over.exhausted is not None and over.exhausted.code == "rounds-done"
    tiny = config_of(acquisition="random", fixed={"n_layers": 1, "d_model": 32, "d_ff": 64})
    everything = history(tiny.training_space.sample(10_000))
    nothing = advise(tiny, Evidence(everything), Beliefs(), n_runs=1)
    assert nothing.exhausted is not None and nothing.exhausted.code == "space-exhausted"


def test_runs_that_all_fail_are_not_repeated_for_ever(config):
    failed = [
        run.advance("failed", reason="CUDA error")
        for run in pending(config.training_space.sample(12, seed=3))
    ]
    advice = advise(config, Evidence(failed), Beliefs(), n_runs=1)
    assert advice.exhausted is not None and advice.exhausted.code == "all-runs-fail"
    assert "CUDA error" in advice.exhausted.detail


def test_a_run_dearer_than_asked_is_left_out(config):
    random = config_of(acquisition="random", rounds=100)
    evidence = Evidence(history(config.training_space.sample(12, seed=3)))
    cost, notes = learn_cost(random, evidence)
    assert cost is not None and not notes
    limit = sorted(run.cost_gpu_hours or 0.0 for run in evidence.runs)[6]
    found = advise(random, evidence, Beliefs(cost=cost), n_runs=5, max_gpu_hours=limit)
    assert len(found.suggestions) == 5
    assert all(s.cost_gpu_hours and s.cost_gpu_hours["p50"] <= limit for s in found.suggestions)
    none = advise(random, evidence, Beliefs(cost=cost), n_runs=5, max_gpu_hours=1e-9)
    assert none.exhausted is not None and none.exhausted.code == "nothing-affordable"


def test_what_is_not_measured_is_left_out_of_a_plan_and_said(config):
    latency, notes = learn_latency(config, Evidence([]))
    assert latency is None and [note.code for note in notes] == ["latency_not_measured"]
    asked, doubts = as_can_be_asked(config, Beliefs())
    assert asked.target.objectives == ("-loss_nats",) and asked.target.limits == ()
    assert [note.code for note in doubts] == ["planned_without_latency"]
    _, notes = learn_cost(config, Evidence([]))
    assert [(note.code, note.severity) for note in notes] == [("costs_unknown", "info")]


def test_what_was_timed_is_not_asked_for_again(config):
    wanted = to_measure(config, [])
    timed = [timing_of(wanted[0], config.serving)]
    assert wanted[0] == config.decision.baseline
    assert to_measure(config, timed) == wanted[1:]


def test_a_recommendation_for_another_scale_cannot_name_the_baseline(config):
    with pytest.raises(InvalidInputError, match="limit cannot name it"):
        recommend_for(config, Beliefs(), Evidence([]), {"n_params": 600_000})
    with pytest.raises(InvalidInputError, match="colour"):
        recommend_for(config, Beliefs(), Evidence([]), {"colour": "red"})
