import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.peers import optimiser
from benchmarks.replay import cells as replay_cells
from benchmarks.replay.__main__ import summarise
from benchmarks.replay.cells import Cell, cell_path, fill_cell, read_cell
from benchmarks.replay.front import front_rows, hypervolume, nadir
from benchmarks.replay.methods import METHODS, PEERS, ask
from benchmarks.replay.pools import OBJECTIVES, Pool, devices_in, read_pools
from benchmarks.replay.scores import by_key, paired_ratio, pooled

from bayeslaw.errors import InvalidInputError, UnavailableError

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))
has_data = pytest.mark.skipif(
    not (DATA / "hw_gpt_bench").exists(), reason=f"no hw_gpt_bench in {DATA}"
)
has_peers = pytest.mark.skipif(not optimiser.is_installed(), reason="the peers are not installed")


def small_pool(n=300, seed=0):
    rng = np.random.default_rng(seed)
    n_layers = rng.integers(2, 5, n)
    there = np.arange(4) < n_layers[:, None]
    heads, ratios = (rng.choice(c, (n, 4)) * there for c in ((4, 8, 12), (2, 3, 4)))
    perplexity = 40 - 2 * np.sqrt(heads).sum(1) - np.log(1 + ratios).sum(1)
    latency = heads.sum(1) + 2.0 * ratios.sum(1) + 3 * n_layers
    values = np.stack([perplexity, latency], axis=1) + rng.normal(0, 0.05, (n, 2))
    return Pool("s-1-toy", n_layers, rng.random(n) < 0.5, heads, ratios, values)


def made_up_cell(shares, pool="s-1-toy", method="ours", seed=0):
    n = len(shares)
    return Cell(pool, method, seed, list(range(n)), list(shares), [0.1] * n)


def test_a_cell_ends_at_the_goal_and_is_read_where_it_was_kept(tmp_path):
    pool = small_pool()
    path = cell_path(tmp_path, pool, "ours", 0)
    fill_cell(pool, "ours", 0, 150, 100.0, path)
    cell = read_cell(path)
    reference = nadir(pool.values)
    whole = hypervolume(pool.values, reference)
    found = hypervolume(pool.values[cell.rows], reference) / whole
    assert cell.shares[-1] == pytest.approx(found) and found >= replay_cells.GOAL
    assert cell.shares == sorted(cell.shares)
    assert cell.evaluations_to(0.99) == len(cell.rows) < 60
    changed = path.stat().st_mtime_ns
    fill_cell(pool, "ours", 0, 150, 100.0, path)
    assert path.stat().st_mtime_ns == changed


def test_random_rows_are_all_different_and_end_at_the_last_ask(tmp_path):
    pool = small_pool()
    cell = read_cell(fill_cell(pool, "random", 1, 20, 100.0, tmp_path / "cell.json"))
    assert len(cell.rows) == len(set(cell.rows)) == 20
    assert cell.is_ended(20, 100.0) and not cell.is_ended(21, 100.0)
    assert cell.is_ended(21, sum(cell.seconds))


def test_the_front_and_its_area_agree_with_counting():
    rng = np.random.default_rng(0)
    values = rng.random((40, 2))
    rows = front_rows(values)
    for row in range(40):
        is_beaten = ((values <= values[row]).all(1) & (values < values[row]).any(1)).any()
        assert is_beaten == (row not in rows)
    grid = (np.stack(np.meshgrid(*[np.arange(400)] * 2), -1).reshape(-1, 2) + 0.5) / 400
    covered = (grid[:, None] >= values[rows][None]).all(axis=-1).any(axis=-1).mean()
    assert hypervolume(values, np.ones(2)) == pytest.approx(covered, abs=0.01)


def test_the_nearest_row_is_the_row_itself_until_it_is_taken():
    pool = small_pool()
    full = {f"heads_{i}": 8 for i in range(4)} | {f"mlp_ratio_{i}": 3 for i in range(4)}
    for row in (0, 7, 99):
        wanted = full | pool.parameters(row)
        found = pool.nearest(wanted, [])
        assert pool.parameters(found) == pool.parameters(row)
        same = [r for r in range(len(pool)) if pool.parameters(r) == pool.parameters(row)]
        assert pool.nearest(wanted, same) not in same


def test_the_space_holds_every_row():
    pool = small_pool()
    space = {given["name"]: given["values"] for given in pool.space}
    for row in range(len(pool)):
        for name, value in pool.parameters(row).items():
            assert value in space[name]
    assert pool.features.shape == (300, 10)


def test_ours_over_a_peer_counts_pairs_and_says_what_is_censored():
    ours = [made_up_cell([0.5, 0.96, 0.991], seed=s) for s in range(3)]
    peer = [
        made_up_cell([0.5] * 5 + [0.99], method="ax", seed=0),
        made_up_cell([0.9] * 12, method="ax", seed=1),
        made_up_cell([0.9] * 9, method="ax", seed=7),
    ]
    found = paired_ratio(by_key(ours), by_key(peer), 0.99)
    assert found["ratio"] == pytest.approx(np.sqrt(3 / 6 * 3 / 12))
    assert (found["cells"], found["peer_censored"], found["ours_censored"]) == (2, 1, 0)
    nobody = paired_ratio(by_key(ours), by_key(peer), 0.999)
    assert nobody["ratio"] is None and nobody["neither"] == 2


def test_pooled_figures_of_known_cells():
    cells = [made_up_cell([0.5, 0.96, 0.99]), made_up_cell([0.5] * 12, seed=1)]
    found = pooled(cells, 20)
    assert found["evaluations_to_95"] == pytest.approx(np.sqrt(2 * 12))
    assert found["evaluations_to_99"] == pytest.approx(np.sqrt(3 * 12))
    assert (found["censored"], found["censored_95"], found["cells"]) == (1, 1, 2)
    first, second = (0.49 + 0.03) / 20, 0.49
    assert found["regret_auc"] == pytest.approx((first + second) / 2)


def test_the_summary_has_the_contracts_keys_and_the_closest_peers_ratio():
    cells = {method: [made_up_cell([0.9] * 30, method=method)] for method in METHODS}
    cells["ours"] = [made_up_cell([0.9] * 9 + [0.99])]
    cells["ax"] = [made_up_cell([0.9] * 19 + [0.99], method="ax")]
    content = summarise(cells, 30, n_all=2)
    keys = {"evaluations_to_95", "evaluations_to_99", "censored", "regret_auc"}
    assert all(keys <= content["pooled"][method].keys() for method in METHODS)
    assert content["ratio_to_best_peer"] == pytest.approx(0.5)
    assert content["recorded"]["ax"] == "1 of 2 cells"


@has_data
def test_the_table_gives_a_pool_for_each_width_and_device():
    device = devices_in(DATA)[0]
    pools = read_pools(DATA, [device])
    table = pd.read_parquet(DATA / "hw_gpt_bench" / "arch_s.parquet")
    assert sum(len(pool) for pool in pools) == len(table)
    assert [pool.name for pool in pools] == [f"s-{d}-{device}" for d in (192, 384, 768)]
    for pool in pools:
        there = np.arange(12) < pool.n_layers[:, None]
        assert ((pool.heads > 0) == there).all() and ((pool.mlp_ratios > 0) == there).all()
        assert len(pool.space) == 2 + 2 * 12
        assert 15 <= len(front_rows(pool.values)) <= 80


@has_data
def test_an_unknown_device_is_refused_with_those_there_are():
    with pytest.raises(InvalidInputError, match="there are"):
        read_pools(DATA, ["abacus"])


def test_tables_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match="--data"):
        read_pools(tmp_path, ["a100"])


def test_peers_that_are_not_installed_say_how_to(monkeypatch, tmp_path):
    monkeypatch.setattr(optimiser, "ENVIRONMENT", tmp_path)
    with pytest.raises(UnavailableError, match=r"python -m benchmarks\.peers\.optimiser"):
        optimiser.Optimiser("ax", space=[], objectives=OBJECTIVES)


@has_peers
@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_asks_for_rows_of_the_pool_each_once(peer):
    pool = small_pool()
    asking = ask(peer, pool, seed=0)
    rows = [next(asking)]
    for _ in range(7):
        rows.append(asking.send(pool.values[rows[-1]]))
    asking.close()
    assert len(set(rows)) == 8 and all(0 <= row < len(pool) for row in rows)
