import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from latency_world import DEVICE, SERVE, measure, random_architecture, true_of

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency.suggest import (
    N_REPEATS,
    SET_UP_SECONDS,
    border_weights,
    suggest_rows,
    suggest_timings,
)
from bayeslaw.models.latency.surrogate import fit_latency
from bayeslaw.models.latency.thinning import thin_rows
from bayeslaw.runs import LatencyTable
from bayeslaw.runs.latency.columns import MEASURED
from bayeslaw.runs.latency.readers import read_hw_gpt_bench
from bayeslaw.space import DEVICES

DATA = Path(os.environ.get("BAYESLAW_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def world():
    """Five timings of small networks, a pool up to twice as large, and larger targets."""
    rng = np.random.default_rng(0)
    timed = [measure(random_architecture(rng), rng) for _ in range(5)]
    pool = list({random_architecture(rng, 1.5): None for _ in range(120)})
    targets = list({random_architecture(rng, 2.5): None for _ in range(20)})
    return timed, pool, targets, fit_latency(timed, DEVICE, seed=0)


def error(surrogate, targets):
    """Return the root mean squared error of log latency at the targets."""
    errors = []
    for figure in ("ttft_ms", "tpot_ms"):
        asked = LatencyTable.ask(targets, SERVE, figure)
        truth = np.array([true_of(target, figure) for target in targets])
        errors.append(np.log(surrogate.predict_rows(asked, of="latency")["p50"] / truth))
    return float(np.sqrt(np.mean(np.square(errors))))


@pytest.mark.slow
def test_eight_suggested_teach_more_than_eight_random(world):
    timed, pool, targets, surrogate = world
    # So much set-up that timings are counted, not their time.
    found = suggest_timings(surrogate, pool, SERVE, targets, 8, set_up_seconds=1e4)
    assert len({s.place for s in found}) == 8
    falls = [found[0].variance_before, *(s.variance_after for s in found)]
    assert (np.diff(falls) < 0).all()
    rng = np.random.default_rng(1)

    def error_with(places):
        more = [measure(pool[place], rng) for place in places]
        return error(fit_latency([*timed, *more], DEVICE, seed=0), targets)

    suggested = error_with([s.place for s in found])
    random = [error_with(rng.choice(len(pool), 8, replace=False)) for _ in range(2)]
    assert suggested < np.mean(random)


def test_where_time_counts_cheaper_ones_are_suggested(world):
    _, pool, targets, surrogate = world
    cheap, dear = (
        suggest_timings(surrogate, pool, SERVE, targets, 4, set_up_seconds=seconds)
        for seconds in (5.0, 1e4)
    )
    seconds = [
        sum(s.cost_seconds - start for s in found) for found, start in ((cheap, 5.0), (dear, 1e4))
    ]
    assert seconds[0] < seconds[1]
    assert dear[-1].variance_after <= cheap[-1].variance_after


def test_the_cost_is_set_up_and_repeats_of_a_request(world):
    _, pool, targets, surrogate = world
    (found,) = suggest_timings(surrogate, pool, SERVE, targets, 1)
    request = surrogate.predict([pool[found.place]], SERVE, new_measurement=False).e2el_ms["p50"][0]
    expected = SET_UP_SECONDS + N_REPEATS * request / 1e3
    assert found.cost_seconds == pytest.approx(expected, rel=0.05)


def test_a_target_that_alone_counts_is_learnt_more_of(world):
    _, pool, targets, surrogate = world
    asked = LatencyTable.ask(targets[:1], SERVE, "tpot_ms")
    _, sd = surrogate.mixture(asked, "latency")
    one = np.zeros(len(targets))
    one[0] = 1.0
    alone = suggest_timings(surrogate, pool, SERVE, targets, 2, weights=one)
    only = suggest_timings(surrogate, pool, SERVE, targets[:1], 2)
    assert [s.place for s in alone] == [s.place for s in only]
    assert alone[-1].variance_after < alone[0].variance_before
    assert alone[0].variance_before > 0.2 * float((sd**2).mean())


def test_nothing_teaches_of_an_architecture_like_timing_it(world):
    _, pool, targets, surrogate = world
    (itself,), (another,) = (
        suggest_timings(surrogate, [offered], SERVE, targets[:1], 1)
        for offered in (targets[0], pool[0])
    )
    assert itself.variance_before == pytest.approx(another.variance_before)
    assert itself.variance_after < 0.5 * another.variance_after


def test_weights_are_largest_on_the_border(world):
    *_, targets, surrogate = world
    asked = LatencyTable.ask(targets, SERVE, "tpot_ms")
    middle = surrogate.predict_rows(asked, of="latency")["p50"]
    limit = float(np.sort(middle)[10])
    weights = border_weights(surrogate, asked, limit)
    assert (weights >= 0).all() and (weights <= 0.25 + 1e-9).all()
    assert weights[np.argsort(middle)[10]] > 0.2
    assert weights[middle.argmin()] < 0.01 and weights[middle.argmax()] < 0.01
    with pytest.raises(InvalidInputError, match="limit_ms must be positive"):
        border_weights(surrogate, asked, 0.0)


def test_thinning_keeps_the_nearest_and_the_corners():
    rng = np.random.default_rng(0)
    pool = np.concatenate([rng.normal(size=(5000, 2)), [[9.0, 9.0]]])
    kept = thin_rows(pool, pool[:4], 64)
    assert len(kept) == len(set(kept.tolist())) == 64
    assert set(range(4)) <= set(kept.tolist()) and 5000 in kept


def test_the_door(world):
    _, pool, targets, surrogate = world
    with pytest.raises(InvalidInputError, match="n must be from 1"):
        suggest_timings(surrogate, pool[:3], SERVE, targets, 4)
    with pytest.raises(InvalidInputError, match="weights must have one for each of 20"):
        suggest_timings(surrogate, pool, SERVE, targets[:20], 1, weights=np.ones(2))
    with pytest.raises(InvalidInputError, match="none negative"):
        suggest_timings(surrogate, pool, SERVE, targets, 1, weights=-np.ones(len(targets)))
    with pytest.raises(InvalidInputError, match="set_up_seconds must not be negative"):
        suggest_timings(surrogate, pool, SERVE, targets, 1, set_up_seconds=-1.0)
    with pytest.raises(InvalidInputError, match="engine"):
        suggest_timings(surrogate, pool, replace(SERVE, engine="vllm"), targets, 1)


@pytest.mark.slow
def test_on_hw_gpt_bench_suggested_timings_beat_random_ones():
    folder = DATA / "hw_gpt_bench"
    if not folder.exists():
        pytest.skip(f"hw_gpt_bench is not in {DATA} (set BAYESLAW_DATA)")
    table = read_hw_gpt_bench(folder, "s").select(device="a100-80gb")
    asking = LatencyTable(
        {name: v for name, v in table.columns.items() if name not in MEASURED}, table.labels
    )
    rng = np.random.default_rng(4)
    order = np.argsort(table["prefill_gemm_flops"])
    targets = rng.choice(order[-1000:], 40, replace=False)
    pool = rng.choice(order[:8000], 500, replace=False)
    device = DEVICES["a100-80gb"]

    def error_with(rows):
        bands = fit_latency(table.where(rows), device).predict_rows(asking.where(targets))
        return np.sqrt(np.mean(np.log(bands["p50"] / table["latency_ms"][targets]) ** 2))

    base = pool[:6]
    surrogate = fit_latency(table.where(base), device)
    found = suggest_rows(surrogate, [asking.where(pool)], asking.where(targets), 8)
    suggested = error_with(np.concatenate([base, pool[[s.place for s in found]]]))
    random = [
        error_with(np.concatenate([base, rng.choice(pool[6:], 8, replace=False)])) for _ in range(2)
    ]
    assert suggested < np.mean(random)
