"""How sure a recommendation is: shared or own errors, the credible set, drivers, the deciding run."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import norm
from search_world import ChinchillaBelief, finished, pool, shape

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.models.loss.diagnostics import Diagnostics
from bayeslaw.runs import RunTable, candidate_columns
from bayeslaw.search import Beliefs, PredictiveEnsemble, parse_objectives, recommend
from bayeslaw.search.outcomes import Outcomes
from bayeslaw.search.own_errors import dealt, error_beyond, with_own_errors
from bayeslaw.search.recommendation.judge import judge
from bayeslaw.space import Candidate, SearchSpace

N_DRAWS = 4000


@dataclass
class ErringBelief:
    """Log losses by width, and one normal error that all architectures share beyond the runs."""

    mean: dict
    sd: float
    coefficient_sd: float = 0.0
    scatter: float = 0.0
    n_draws: int = N_DRAWS

    @property
    def sigma(self):
        return np.full(self.n_draws, self.scatter)

    def noise_scale(self, columns):
        return np.tile(self.sigma[:, None], len(columns["d_model"]))

    def losses(self, columns, *, tau_factor=1.0):
        shared, own = np.random.default_rng(0).standard_normal((2, self.n_draws, 1))
        mean = np.log([self.mean[int(width)] for width in columns["d_model"]])
        tilt = np.log(columns["d_model"] / 32)
        return np.exp(mean + self.coefficient_sd * own * tilt + tau_factor * self.sd * shared)


def wide(d_model):
    return Candidate(shape(4, d_model), 1_000_000)


def erring(mean, sd, **changes):
    belief = ErringBelief(mean, sd, **changes)
    return Beliefs(loss=PredictiveEnsemble.from_beliefs([belief], n_members=belief.n_draws))


def codes(found):
    return {note.code for note in found.notes}


@pytest.fixture(scope="module")
def fitted():
    """Return a posterior of runs whose law is known, and the runs."""
    done = [finished(candidate, f"r{i}") for i, candidate in enumerate(pool(14, seed=11))]
    return fit_law(LAWS["chinchilla"], RunTable.from_runs(done), method="laplace", seed=0), done


def test_an_order_that_rests_on_shared_errors_is_not_decided():
    # Shared: the first is .05 better in every draw. Own errors of sd .1: P = Phi(.05 / .1 sqrt 2).
    beliefs = erring({32: 3.0, 64: 3.0 * np.exp(0.05)}, sd=0.1)
    found = recommend(beliefs, [wide(32), wide(64)], objectives="-loss_nats")
    assert found.chosen.candidate == wide(32)
    assert found.chosen.p_pareto == found.chosen.p_best == 1
    expected = norm.cdf(0.5 / np.sqrt(2))
    assert found.chosen.p_pareto_apart == pytest.approx(expected, abs=0.03)
    assert found.chosen.p_best_apart == found.chosen.p_pareto_apart
    (note,) = (note for note in found.notes if note.code == "undecidable")
    assert note.severity == "warning" and not found.is_decided
    assert str(wide(32).architecture) in note.message and str(wide(64).architecture) in note.message
    assert "each architecture's own" in note.message


def test_own_errors_leave_what_is_believed_of_one_architecture_alone():
    belief = ErringBelief({32: 3.0, 64: 4.0}, sd=0.1, coefficient_sd=0.05)
    ensemble = PredictiveEnsemble.from_beliefs([belief, belief], n_members=1000)
    longer = Candidate(wide(32).architecture, 2_000_000)
    columns = candidate_columns([wide(32), wide(64), longer])
    losses = ensemble.losses(columns)
    beyond = error_beyond(ensemble, columns, losses)
    found = dealt(beyond, columns, [500, 500], seed=1)
    for half in (slice(0, 500), slice(500, 1000)):  # a law keeps its errors
        assert (np.sort(found[half], axis=0) == np.sort(beyond[half], axis=0)).all()
    assert (found[:, 0] == found[:, 2]).all()
    assert np.corrcoef(beyond[:, :2], rowvar=False)[0, 1] > 0.99
    assert abs(np.corrcoef(found[:, :2], rowvar=False)[0, 1]) < 0.1
    alone = dealt(beyond[:, [1]], candidate_columns([wide(64)]), [500, 500], seed=1)
    assert (alone[:, 0] == found[:, 1]).all()  # whatever else is asked


def test_a_belief_with_own_errors_keeps_every_marginal(fitted):
    posterior, _ = fitted
    ensemble = PredictiveEnsemble.from_beliefs([posterior], n_members=2000)
    far = [Candidate(c.architecture, 10**9) for c in pool(6, seed=2)]
    shared, own = ensemble.losses(far), with_own_errors(ensemble, seed=0).losses(far)
    for tail in (0.05, 0.5, 0.95):
        ends = np.quantile([shared, own], tail, axis=1)
        assert np.abs(np.log(ends[0] / ends[1])).max() < 0.01
    gaps = [np.log(losses[:, 0] / losses[:, 3]).std() for losses in (shared, own)]
    assert gaps[1] > 2 * gaps[0]
    assert with_own_errors(PredictiveEnsemble.from_beliefs([ChinchillaBelief()]), seed=0) is None


def test_a_belief_that_cannot_tell_its_error_apart_says_so():
    beliefs = Beliefs(loss=PredictiveEnsemble.from_beliefs([ChinchillaBelief()]))
    found = recommend(beliefs, pool(5), objectives="-loss")
    assert "errors_not_told_apart" in codes(found)
    assert found.chosen.p_pareto_apart is None and "discrepancy" not in found.drivers


def test_a_fitted_law_tells_its_error_apart(fitted):
    posterior, _ = fitted
    beliefs = Beliefs(loss=PredictiveEnsemble.from_beliefs([posterior], n_members=400))
    far = [Candidate(c.architecture, 60_000_000) for c in pool(30, seed=2)]
    found = recommend(beliefs, far, objectives="-loss_nats")
    assert found.chosen.p_best_apart < found.chosen.p_best - 0.1
    assert found.drivers["discrepancy"] > 0


def test_the_credible_set_is_the_smallest_that_holds_the_best_one():
    # Own errors of the coefficients: the wider, the less sure.
    beliefs = erring({32: 3.0, 64: 3.01, 96: 3.02, 128: 9.0}, sd=0.0, coefficient_sd=0.02)
    found = recommend(beliefs, [wide(w) for w in (32, 64, 96, 128)], objectives="-loss_nats")
    p_best = {f.candidate: f.p_best for f in found.forecasts}
    assert sum(p_best.values()) == pytest.approx(1)
    kept = found.credible
    assert kept.probability == pytest.approx(sum(p_best[c] for c in kept.members))
    assert kept.probability >= 0.9
    assert kept.probability - kept.p_best[-1] < 0.9
    assert wide(128) not in kept.members
    aspects = [c.architecture.aspect_ratio for c in kept.members]
    factor = kept.factors["aspect_ratio"]
    assert (factor.low, factor.high) == (min(aspects), max(aspects))
    assert factor.mode == kept.members[0].architecture.aspect_ratio


@pytest.mark.parametrize("source", ["coefficients", "discrepancy", "noise"])
def test_the_only_unknown_is_what_drives_the_choice(source):
    changes = {"coefficients": {"coefficient_sd": 0.1}, "noise": {"scatter": 0.01}}.get(source, {})
    sd = 0.1 if source == "discrepancy" else 0.0
    beliefs = erring({32: 3.0, 64: 3.1}, sd=sd, **changes)
    found = recommend(beliefs, [wide(32), wide(64)], objectives="-loss_nats")
    assert found.drivers[source] == pytest.approx(1)
    assert all(abs(share) < 1e-9 for name, share in found.drivers.items() if name != source)


def test_beating_the_baseline_by_a_margin():
    beliefs = erring({32: 3.0, 64: 2.9}, sd=0.0, scatter=0.01, n_draws=8000)
    found = recommend(
        beliefs, [wide(64)], baseline=wide(32), objectives="-loss_nats", beat_loss_nats=0.1
    )
    assert found.chosen.p_beats["loss_nats"] > 0.95
    rng = np.random.default_rng(1)
    ours, theirs = 0.01 * rng.standard_t(6, (2, 10**6))
    truth = np.mean(2.9 * np.exp(ours) < 3.0 * np.exp(theirs) - 0.1)
    assert found.chosen.p_beats_by["loss_nats"] == pytest.approx(truth, abs=0.02)
    assert found.chosen.p_beats_by["at_once"] == found.chosen.p_beats_by["loss_nats"]
    with pytest.raises(InvalidInputError, match="beat_latency_share"):
        recommend(beliefs, [wide(64)], objectives="-loss", beat_latency_share=5)


def test_rules_of_thumb_stand_beside_the_choice(known_world):
    beliefs, _ = known_world
    candidates = [Candidate(c.architecture, 20_000_000) for c in pool(60, seed=2)]
    found = recommend(beliefs, candidates, baseline=Candidate(shape(6, 192), 20_000_000))
    usual, gqa = found.heuristics
    assert usual.name == "usual shape (64-128, 3-5)"
    picked = usual.forecast.candidate.architecture
    assert 64 <= picked.aspect_ratio <= 128 and 3 <= picked.mlp_attention_ratio <= 5
    changed = gqa.forecast.candidate.architecture
    assert replace(changed, n_kv_heads=4) == shape(6, 192) and changed.n_kv_heads in (1, 2)
    assert 0 <= usual.p_chosen_beats <= 1 and usual.forecast.expected_regret >= 0
    assert gqa.forecast.candidate not in {f.candidate for f in found.forecasts}


def test_the_run_that_would_decide_is_named_with_its_price(known_world):
    # Which width is better hangs on one number that any wide run shows.
    unsure = erring({32: 3.0, 64: 3.0, 96: 3.3, 128: 3.0}, 0.0, coefficient_sd=0.05, scatter=0.001)
    beliefs = replace(unsure, cost=known_world[0].cost)
    runs = [Candidate(shape(4, 128), 100_000), Candidate(shape(4, 32), 200_000)]
    targets = [wide(32), wide(64), wide(96)]
    asked = {"objectives": "-loss_nats", "runs": runs}
    found = recommend(beliefs, targets, **asked)
    run = found.deciding_run
    assert run is not None and run.candidate == runs[0] and run.is_worth_it and run.decides
    assert run.gain_share == pytest.approx(run.regret_share, rel=0.2)
    (note,) = (note for note in found.notes if note.code == "undecidable")
    price = f"this run would decide it for {run.cost_gpu_hours['p50']:.2g} GPU-hours"
    assert price in note.message and str(runs[0].architecture) in note.message
    poor = recommend(beliefs, targets, **asked, budget_gpu_hours=1e-9)
    assert poor.deciding_run is None and "stop" in codes(poor)


def test_own_errors_beyond_the_runs_are_not_bought_off_by_runs_of_other_shapes(fitted, known_world):
    posterior, done = fitted
    cost = known_world[0].cost
    beliefs = Beliefs(PredictiveEnsemble.from_beliefs([posterior], n_members=500), cost=cost)
    shapes = sorted((c.architecture for c in pool(60, seed=2)), key=lambda a: a.n_params)
    far = [Candidate(architecture, 30_000_000) for architecture in shapes[-20:]]
    runs = [Candidate(c.architecture, 8_000_000) for c in pool(12, seed=5)]
    found = recommend(beliefs, far, objectives="-loss_nats", runs=runs, done=done)
    assert found.deciding_run.are_errors_own and not found.deciding_run.is_worth_it
    assert {"undecidable", "stop"} <= codes(found)
    (note,) = (note for note in found.notes if note.code == "undecidable")
    assert "no run within the budget would tell them apart" in note.message


def test_nothing_is_worth_a_run_where_all_is_known(known_world):
    known, _ = known_world
    sure = PredictiveEnsemble.from_beliefs([ChinchillaBelief(spread=1e-9)])
    beliefs = Beliefs(sure, cost=known.cost)
    found = recommend(beliefs, pool(8), objectives="-loss", runs=pool(5, seed=3))
    assert "stop" in codes(found) and found.is_decided


def test_a_posterior_whose_chains_failed_is_refused_or_widened(fitted):
    posterior, _ = fitted
    far = [Candidate(c.architecture, 20_000_000) for c in pool(6, seed=2)]

    def forecast(rhat, effective):
        found = Diagnostics({"E": rhat}, {"E": effective}, {"E": effective})
        bad = replace(posterior, diagnostics=found)
        beliefs = Beliefs(loss=PredictiveEnsemble.from_beliefs([bad], n_members=400))
        return recommend(beliefs, far, objectives="-loss_nats")

    sound, doubtful = forecast(1.0, 4000.0), forecast(1.05, 4000.0)
    assert "posterior_widened" in codes(doubtful) - codes(sound)
    widths = [q.loss_nats["p95"] - q.loss_nats["p05"] for q in (sound.chosen, doubtful.chosen)]
    assert widths[1] > 1.05 * widths[0]
    with pytest.raises(InvalidInputError, match=r"chains of chinchilla .* failed"):
        forecast(1.3, 4000.0)
    with pytest.raises(InvalidInputError, match="20 effective draws"):
        forecast(1.0, 20.0)


def test_a_target_inside_the_data_and_one_far_beyond_are_said_aloud(fitted):
    posterior, _ = fitted
    beliefs = Beliefs(loss=PredictiveEnsemble.from_beliefs([posterior], n_members=200))
    small = Candidate(shape(2, 32), 500_000)
    assert "target_inside_data" in codes(recommend(beliefs, [small], objectives="-loss"))
    large = Candidate(shape(8, 512), 1_000_000_000)
    assert "outside_validated_distance" in codes(recommend(beliefs, [large], objectives="-loss"))


def test_a_baseline_outside_the_space_is_compared_and_said():
    beliefs = erring({32: 3.0, 64: 2.9}, sd=0.1)
    axes = {"n_layers": 4, "d_model": [32], "n_heads": 4, "n_kv_heads": 4, "head_dim": 16,
            "d_ff": [96, 192], "vocab_size": 257, "n_tokens": 1_000_000}  # fmt: skip
    asked = {"objectives": "-loss", "baseline": wide(64)}
    inside = recommend(beliefs, [wide(32)], objectives="-loss", baseline=wide(32))
    assert "baseline_outside_space" not in codes(inside)
    (note,) = (
        note
        for note in recommend(beliefs, [wide(32)], space=SearchSpace(axes), **asked).notes
        if note.code == "baseline_outside_space"
    )
    assert "d_model = 64 is not on its axis" in note.message
    without_space = recommend(beliefs, [wide(32)], **asked)
    assert "baseline_outside_space" in codes(without_space)
    assert without_space.baseline is not None


def test_limits_that_contradict_each_other_are_named():
    beliefs = erring({32: 3.0, 64: 2.5}, sd=0.001)
    asked = {
        "objectives": "-loss_nats",
        "limits": ["n_layers >= 2", "loss <= 2.7", "d_model <= 48"],
    }
    (note,) = (
        note
        for note in recommend(beliefs, [wide(32), wide(64)], **asked).notes
        if note.code == "limits_contradict"
    )
    assert "'loss <= 2.7'" in note.message and "'d_model <= 48'" in note.message
    assert "n_layers" not in note.message
    alone = recommend(beliefs, [wide(32)], objectives="-loss", limits="loss <= 2.7")
    assert {"limits_not_met", "limit_too_tight"} <= codes(alone)


def test_the_regret_of_the_winner_is_not_flattered_by_its_luck():
    wanted, rng = parse_objectives("-loss_nats"), np.random.default_rng(0)
    candidates = tuple(wide(16 * i) for i in range(1, 41))
    said, true, naive = [], [], []
    for _ in range(200):
        level = 3 + 0.01 * rng.standard_normal(40)
        draws = level + 0.03 * rng.standard_normal((32, 40))
        truths = level + 0.03 * rng.standard_normal((200, 40))
        found = judge(wanted, Outcomes(candidates, {"loss_nats": draws}, {}, 32, {}), 40, 0.8)
        said.append(found.scale * found.regret_share[found.chosen])
        true.append((truths[:, found.chosen] - truths.min(axis=1)).mean())
        naive.append((draws.mean(axis=0).min() - draws.min(axis=1)).mean())
    assert np.mean(said) == pytest.approx(np.mean(true), rel=0.04)
    assert np.mean(naive) < 0.93 * np.mean(true)  # what all draws for both would say
