"""The two papers' searches, and what objectives may be named."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from search_world import pool, shape

from bayeslaw.errors import EmptySpaceError, InvalidInputError
from bayeslaw.models.costs import Demand, kinetics_cost, lifetime_cost
from bayeslaw.models.links import fit_error_link
from bayeslaw.search import Beliefs, PredictiveEnsemble, recommend
from bayeslaw.search.figures import FIGURES
from bayeslaw.search.outcomes import draw_outcomes
from bayeslaw.search.recommendation import search_p1, search_p2
from bayeslaw.space import Candidate, SearchSpace


@dataclass
class ByKvHeads:
    """Losses by the number of KV heads, sure but for a run's scatter."""

    mean: dict
    n_draws: int = 500

    @property
    def sigma(self):
        return np.full(self.n_draws, 0.002)

    def noise_scale(self, columns):
        return np.tile(self.sigma[:, None], len(columns["n_kv_heads"]))

    def losses(self, columns):
        mean = [self.mean[int(n)] for n in columns["n_kv_heads"]]
        return np.tile(mean, (self.n_draws, 1))


def with_losses(beliefs, mean):
    return replace(beliefs, loss=PredictiveEnsemble.from_beliefs([ByKvHeads(mean)], n_members=500))


def test_p1_tries_gqa_beyond_one_that_fails(known_world):
    beliefs = with_losses(known_world[0], {4: 2.0, 2: 5.0, 1: 2.1})
    start = Candidate(shape(6, 192), 10**7)
    found = search_p1(beliefs, [start], max_loss_nats=2.2)
    kv_heads = [forecast.candidate.architecture.n_kv_heads for forecast in found]
    assert sorted(kv_heads) == [1, 4] and 2 not in kv_heads
    fastest = max(found, key=lambda forecast: forecast.more["throughput_tokens_per_s"]["p50"])
    assert found[0].candidate == fastest.candidate
    assert all(forecast.p_feasible >= 0.9 for forecast in found)


def test_p1_keeps_a_margin_for_the_scatter_of_a_run(known_world):
    beliefs = with_losses(known_world[0], {4: 2.0, 2: 1.999, 1: 1.97})
    found = search_p1(beliefs, [Candidate(shape(6, 192), 10**7)], max_loss_nats=2.0, p_loss=0.9)
    assert [forecast.candidate.architecture.n_kv_heads for forecast in found] == [1]
    with pytest.raises(EmptySpaceError, match="comes nearest with 0%: raise max_loss_nats"):
        search_p1(beliefs, [Candidate(shape(6, 192), 10**7)], max_loss_nats=1.5)


def test_p1_stays_in_the_space(known_world):
    beliefs = with_losses(known_world[0], {4: 2.0, 2: 2.0, 1: 2.0})
    axes = {"n_layers": 6, "d_model": 192, "n_heads": 4, "n_kv_heads": [2, 4], "head_dim": 16,
            "d_ff": 576, "vocab_size": 257, "n_tokens": 10**7}  # fmt: skip
    found = search_p1(
        beliefs, [Candidate(shape(6, 192), 10**7)], max_loss_nats=2.5, space=SearchSpace(axes)
    )
    assert {forecast.candidate.architecture.n_kv_heads for forecast in found} == {2, 4}


def test_p2_returns_the_lowest_losses_that_are_fast_enough(known_world):
    beliefs, _ = known_world
    candidates = [Candidate(c.architecture, 20_000_000) for c in pool(60, seed=2)]
    baseline = Candidate(shape(6, 192), 20_000_000)
    found = search_p2(
        beliefs, candidates, limits="tpot_ms <= 0.9 * baseline", n_best=4, baseline=baseline
    )
    assert len(found) == 4 and all(forecast.p_feasible >= 0.9 for forecast in found)
    losses = [forecast.loss_nats["p50"] for forecast in found]
    assert losses == sorted(losses)
    outcomes = draw_outcomes(beliefs, candidates, baseline=baseline, n_draws=256, seed=0)
    fast = (outcomes.values["tpot_ms"] <= 0.9 * outcomes.values["baseline.tpot_ms"]).mean(0) >= 0.9
    best = np.median(outcomes.new_values["loss_nats"], axis=0)[fast].min()
    assert losses[0] == pytest.approx(best, rel=1e-3)
    with pytest.raises(EmptySpaceError, match="loosen the limit"):
        search_p2(beliefs, candidates, limits="tpot_ms <= 1e-6")
    with pytest.raises(InvalidInputError, match="latency limit"):
        search_p2(beliefs, candidates, limits=())


def everything(known_world):
    beliefs, _ = known_world
    losses = np.linspace(4.0, 2.2, 10)
    link = fit_error_link(losses, 0.75 - 2.0 * np.exp(-0.9 * losses), chance_error=0.75)
    return replace(beliefs, link=link, demand=Demand(1e9, 1e9))


@pytest.mark.parametrize(
    "objective",
    ["accuracy", "throughput_tokens_per_s", "-lifetime_cost", "-test_time_eflops",
     "-e2e_ms", "-cost_gpu_hours", "-error"],
)  # fmt: skip
def test_what_may_be_wanted_is_predicted(known_world, objective):
    found = recommend(everything(known_world), pool(6), objectives=["-loss_nats", objective])
    name = objective.removeprefix("-")
    quantiles = found.chosen.more[name]
    assert 0 < quantiles["p05"] <= quantiles["p50"] <= quantiles["p95"]
    assert FIGURES[name].unit and name in found.to_dict()["chosen"]["more"]


def test_figures_agree_with_what_they_are_made_of(known_world):
    beliefs = everything(known_world)
    candidates = pool(5)
    needed = frozenset({"test_time_eflops"})
    values = draw_outcomes(beliefs, candidates, needed=needed, n_draws=64).values
    assert (values["accuracy"] == 1 - values["error"]).all()
    assert np.allclose(values["error"], beliefs.link.draws(values["loss_nats"]), rtol=0, atol=1e-12)
    assert np.allclose(values["throughput_tokens_per_s"], 1000 / values["tpot_ms"])
    for i, candidate in enumerate(candidates):
        n, workload = candidate.architecture.n_params, beliefs.workload
        assert values["lifetime_cost"][0, i] == lifetime_cost(n, candidate.n_tokens, beliefs.demand)
        cost = kinetics_cost(candidate.architecture, workload.prompt_tokens, workload.output_tokens)
        assert values["test_time_eflops"][0, i] == cost.eflops


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("accuracy", "fit_error_link"),
        ("-tpot_ms", "no latency was measured"),
        ("throughput_tokens_per_s", "no latency was measured"),
        ("-memory_gb", "no workload"),
        ("-cost_gpu_hours", "fit_cost"),
        ("-lifetime_cost", "Demand"),
        ("-test_time_eflops", "no workload"),
        ("-loss - baseline.loss", "needs a baseline"),
    ],
)
def test_an_objective_without_data_says_what_to_give(known_world, objective, message):
    beliefs, _ = known_world
    with pytest.raises(InvalidInputError, match=message):
        recommend(Beliefs(loss=beliefs.loss), pool(3), objectives=objective)


def test_a_link_that_is_none_is_refused():
    with pytest.raises(InvalidInputError, match="fit_error_link"):
        Beliefs(link=lambda loss: 0.5)
