import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.extrapolation.corpus import tau_error
from benchmarks.extrapolation.methods import cells_of
from benchmarks.extrapolation.scores import crps, held_by_distance, pairs_held, pool, score
from benchmarks.extrapolation.splits import rolling_splits
from benchmarks.extrapolation.tables import read_tables
from scipy import stats

from bayeslaw.runs import RunTable

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))


def runs(n=60):
    rng = np.random.default_rng(0)
    size, tokens = np.exp(rng.uniform(10, 16, n)).round(), np.exp(rng.uniform(14, 20, n)).round()
    loss = 1 + 30 / size**0.4 + 60 / tokens**0.4
    return RunTable.from_columns({"n_params": size, "n_tokens": tokens, "loss_nats": loss})


def test_every_held_out_run_is_two_to_twenty_times_the_costliest_fitted_one():
    splits = list(rolling_splits(runs()))
    assert len(splits) == 3
    for split in splits:
        assert not set(split.fit.run_ids) & set(split.heldout.run_ids)
        assert (split.cost_ratios >= 2).all() and (split.cost_ratios <= 20).all()


def test_the_crps_of_normal_draws_is_the_normal_s():
    draws = np.random.default_rng(1).standard_normal((40_000, 1))
    x = 0.7
    exact = x * (2 * stats.norm.cdf(x) - 1) + 2 * stats.norm.pdf(x) - 1 / np.sqrt(np.pi)
    assert crps(draws, np.array([x]))[0] == pytest.approx(exact, abs=0.01)


def test_scores_are_of_the_median_and_central_intervals():
    draws = np.random.default_rng(2).standard_normal((20_000, 3))
    found = score(draws, np.array([0.0, 1.0, 5.0]))
    assert found["coverage90"] == pytest.approx(2 / 3)
    assert found["coverage50"] == pytest.approx(1 / 3)
    assert found["bias"] == pytest.approx(-2.0, abs=0.05)
    # Width 3.29, and the third lies 3.36 outside, at 20 times that.
    assert found["interval_score90"] == pytest.approx(3.29 + 20 * 3.355 / 3, rel=0.02)


def test_pairs_of_one_cost_are_judged_by_joint_draws():
    rng = np.random.default_rng(3)
    shared = 10 * rng.standard_normal((4000, 1)) + 0.1 * rng.standard_normal((4000, 2))
    cost = np.log([1.0, 1.1])
    assert pairs_held(shared, np.array([5.0, 5.05]), cost) == 1.0
    assert pairs_held(shared, np.array([5.0, 6.0]), cost) == 0.0
    assert np.isnan(pairs_held(shared, np.array([5.0, 6.0]), np.log([1.0, 2.0])))


def test_tables_weigh_the_same_and_ratios_are_geometric():
    def scores(value):
        return {"crps": value, "interval_score90": value, "coverage90": value / 4}

    tables = {
        "a/1": {"family": "a", "methods": {"ours": scores(1.0), "chinchilla_huber": scores(2.0)}},
        "b/1": {"family": "b", "methods": {"ours": scores(2.0), "chinchilla_huber": scores(1.0)}},
    }
    ours = pool(tables)["ours"]
    assert ours["crps_ratio"] == pytest.approx(1.0)
    assert ours["coverage90"] == pytest.approx(0.375) and ours["worst_coverage90"] == 0.25
    assert ours["coverage90_ci"] == [0.25, 0.5]


def test_a_corpus_tau_is_shared_by_rows_of_one_cost_and_grows():
    error = tau_error(0.02, np.log([1.0, 2.0, 2.0, 8.0]), 8000)
    assert (error[:, 0] == 0).all()
    np.testing.assert_array_equal(error[:, 1], error[:, 2])
    assert error[:, 3].std() > 1.5 * error[:, 1].std()


def test_a_scored_source_s_own_figures_choose_nothing(tmp_path, monkeypatch):
    asked = []

    def prior(*, leaving_out):
        asked.append(leaving_out)
        return type("Prior", (), {"tau_median": 0.01, "reach": 1.0})()

    monkeypatch.setattr("benchmarks.extrapolation.methods.corpus_prior", prior)
    (split, *_) = rolling_splits(runs())
    cells_of(tmp_path, "gadre/rpj", "gadre", split)
    assert asked == ["gadre"]


@pytest.mark.skipif(not DATA.exists(), reason=f"the public tables are not at {DATA}")
def test_the_public_tables_are_read_with_their_sources_apart():
    tables = read_tables(DATA)
    assert len(tables) == 23 and len({table.source_id for table in tables.values()}) == 9
    assert all(name.startswith(f"{table.source_id}/") for name, table in tables.items())
    assert len(set(tables["gemstones/constant_lr"].runs.trunks)) == 14


def test_what_is_held_is_told_by_distance():
    draws = np.random.default_rng(4).standard_normal((4000, 3))
    found = held_by_distance(draws, np.array([0.0, 5.0, 0.0]), np.array([2.0, 4.9, 10.0]))
    assert found["coverage90_2_5x"] == 0.5 and found["coverage90_10_20x"] == 1.0
    assert np.isnan(found["coverage90_5_10x"])
