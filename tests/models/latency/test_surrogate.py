from dataclasses import replace

import numpy as np
import pytest
from latency_world import (
    DEVICE,
    SERVE,
    log_constants,
    measure,
    random_architecture,
    timings,
    true_of,
)
from scipy import stats

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.latency import fit_latency
from bayeslaw.models.latency.constants import NAMES
from bayeslaw.runs import LatencyTable, Measurement
from bayeslaw.space import Workload


@pytest.fixture(scope="module")
def measurements():
    rng = np.random.default_rng(3)
    return [measure(random_architecture(rng), rng) for _ in range(16)]


@pytest.fixture(scope="module")
def surrogate(measurements):
    return fit_latency(measurements, DEVICE, seed=1)


def test_sixteen_timings_predict_others_within_five_percent_and_the_interval_holds(surrogate):
    rng = np.random.default_rng(4)
    new = [measure(random_architecture(rng), rng) for _ in range(100)]
    predicted = surrogate.predict([m.architecture for m in new], SERVE)
    for figure in ("ttft_ms", "tpot_ms"):
        bands, truth = getattr(predicted, figure), np.array([getattr(m, figure) for m in new])
        assert np.mean(np.abs(bands["p50"] / truth - 1)) < 0.05
        held = np.mean((bands["p05"] <= truth) & (truth <= bands["p95"]))
        # One fit, so errors are shared: the sd of one set's coverage is about 0.07 at this size.
        assert held >= 0.75
        assert np.median(bands["p95"] / bands["p05"]) < 1.4


def test_three_times_deeper_and_wider_is_less_certain_and_still_near(surrogate):
    rng = np.random.default_rng(5)
    near = [random_architecture(rng) for _ in range(30)]
    far = [random_architecture(rng, 3.0) for _ in range(30)]
    bands = surrogate.predict(far, SERVE).tpot_ms
    truth = np.array([true_of(a, "tpot_ms") for a in far])
    assert np.mean(np.abs(bands["p50"] / truth - 1)) < 0.2
    near_bands = surrogate.predict(near, SERVE).tpot_ms
    assert np.mean(bands["p95"] / bands["p05"]) > np.mean(near_bands["p95"] / near_bands["p05"])


def test_going_beyond_what_was_measured_is_noted(surrogate, measurements):
    wide = replace(measurements[0].architecture, d_model=2048, d_ff=8192)
    notes = surrogate.predict([wide], SERVE).notes
    assert "d_model" in " ".join(n.message for n in notes if n.code == "latency_extrapolated")
    assert surrogate.predict([measurements[0].architecture], SERVE).notes == ()


def test_draws_agree_with_quantiles_and_rows_are_joint(surrogate):
    rng = np.random.default_rng(6)
    some = [random_architecture(rng) for _ in range(5)]
    drawn = surrogate.draw([*some, some[0]], SERVE, 4000, seed=2)["tpot_ms"]
    assert drawn.shape == (4000, 6)
    assert np.array_equal(drawn[:, 0], drawn[:, 5])
    bands = surrogate.predict(some, SERVE, new_measurement=False).tpot_ms
    # Draws use half of the hyperparameter settings that quantiles use, so they differ slightly.
    for name, tail in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        assert np.quantile(drawn[:, :5], tail, axis=0) == pytest.approx(bands[name], rel=0.05)


def test_another_timing_scatters_more_than_the_latency_itself(surrogate, measurements):
    known = [measurements[0].architecture]
    again, itself = (
        surrogate.predict(known, SERVE, new_measurement=is_new).tpot_ms for is_new in (True, False)
    )
    assert again["p95"] - again["p05"] > itself["p95"] - itself["p05"]


def test_the_same_seed_gives_the_same_numbers(measurements):
    first, second = (fit_latency(measurements[:6], DEVICE, seed=7) for _ in range(2))
    at = [measurements[8].architecture]
    assert first.predict(at, SERVE).ttft_ms["p50"] == second.predict(at, SERVE).ttft_ms["p50"]
    assert np.array_equal(
        first.draw(at, SERVE, 16, 3)["tpot_ms"], second.draw(at, SERVE, 16, 3)["tpot_ms"]
    )


def test_without_a_datasheet_ceilings_are_guessed_and_it_says_so(measurements):
    guessed = fit_latency(measurements, seed=1)
    assert "device_unknown" in {note.code for note in guessed.notes}
    truth = true_of(measurements[0].architecture, "tpot_ms")
    (p50,) = guessed.predict([measurements[0].architecture], SERVE).tpot_ms["p50"]
    assert p50 == pytest.approx(truth, rel=0.05)


def test_the_level_names_the_quantiles(surrogate, measurements):
    bands = surrogate.predict([measurements[0].architecture], SERVE, level=0.5).tpot_ms
    assert list(bands) == ["p25", "p50", "p75"]
    with pytest.raises(InvalidInputError, match="level"):
        surrogate.predict([measurements[0].architecture], SERVE, level=90)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ms: ms[:3], "at least 4 measurements"),
        (lambda ms: [ms[0]] * 9, "got 1"),
        (lambda ms: [replace(ms[0], device="other"), *ms[1:]], "mix device"),
        (lambda ms: [replace(ms[0], engine_version="torch 3"), *ms[1:]], "mix engine_version"),
        (
            lambda ms: [replace(ms[0], workload=Workload(precision="bfloat16")), *ms[1:]],
            "mix precision",
        ),
        (lambda ms: [replace(ms[0], ttft_iqr_ms=-1.0), *ms[1:]], "repeat_sd"),
        (lambda ms: [replace(ms[0], tpot_ms=1e-6), *ms[1:]], "faster than local can be"),
    ],
)
def test_measurements_that_cannot_be_fitted_are_refused(measurements, spoil, message):
    with pytest.raises(InvalidInputError, match=message):
        fit_latency(spoil(measurements), DEVICE)


def test_another_device_than_the_measured_one_is_refused(surrogate, measurements):
    with pytest.raises(InvalidInputError, match=r"device='local', asked for .'h100-sxm'"):
        surrogate.predict([measurements[0].architecture], Workload(device="h100-sxm"))


def drifting_session(architectures, rng, session_sd):
    """Time architectures one after the other while the machine is a few percent off."""
    offset = np.exp(session_sd * rng.standard_normal(2))
    timed = [measure(a, rng) for a in architectures]
    return [replace(m, ttft_ms=m.ttft_ms * offset[0], tpot_ms=m.tpot_ms * offset[1]) for m in timed]


def test_the_interval_of_a_timing_holds_in_another_session():
    n_held = n_sets = 0
    for seed in range(5):
        rng = np.random.default_rng([11, seed])
        learnt = [random_architecture(rng) for _ in range(15)]
        fit = fit_latency(drifting_session(learnt, rng, 0.03), DEVICE, seed=seed)
        later = drifting_session([random_architecture(rng) for _ in range(20)], rng, 0.03)
        bands = fit.predict([m.architecture for m in later], SERVE).tpot_ms
        truth = np.array([m.tpot_ms for m in later])
        # Errors of a session are one: it counts once, by whether most of its timings are held.
        n_held += int(np.mean((bands["p05"] <= truth) & (truth <= bands["p95"])) >= 0.5)
        n_sets += 1
    assert stats.binomtest(n_held, n_sets, 0.9, alternative="less").pvalue > 0.01


def test_an_anchor_that_drifts_widens_timings_and_not_comparisons(measurements):
    anchor = measurements[0]
    calm, wild = (
        [*measurements, *(replace(anchor, tpot_ms=anchor.tpot_ms * f) for f in factors)]
        for factors in ((1.002, 0.998, 1.001, 0.999), (1.25, 0.82, 1.18, 0.85))
    )
    at = [m.architecture for m in measurements[3:5]]
    widths, gaps = [], []
    for known in (calm, wild):
        fit = fit_latency(known, DEVICE, seed=2)
        bands = fit.predict(at, SERVE).tpot_ms
        widths.append(np.log(bands["p95"] / bands["p05"]).mean())
        timed = np.log(fit.draw(at, SERVE, 2000, seed=3, new_measurement=True)["tpot_ms"])
        quartiles = np.quantile(timed[:, 0] - timed[:, 1], [0.25, 0.75])
        gaps.append(np.diff(quartiles)[0] / 1.349)
    assert widths[1] > 2 * widths[0]
    # Both timings of a row are taken in one session, so its offset cancels.
    assert gaps[1] < 0.5 * widths[1] / 3.29


def test_a_timing_in_ten_that_is_far_off_moves_nothing():
    def noise(rng, n):
        return 0.003 * rng.standard_normal(n) - 0.25 * (rng.random(n) < 0.1)

    rng = np.random.default_rng(21)
    learnt, _ = timings(60, rng, noise=noise)
    asked, true = timings(200, rng, noise=noise)
    bands = fit_latency(learnt, DEVICE, seed=3).predict_rows(asked)
    assert np.median(np.abs(bands["p50"] / true - 1)) < 0.03
    # A normal that has to hold the tail has a sigma of 8 %, so its lower quantile lies 13 % below.
    assert np.median(bands["p50"] / bands["p05"]) < 1.11


def test_a_request_agrees_with_its_parts(surrogate):
    rng = np.random.default_rng(8)
    some = [random_architecture(rng) for _ in range(6)]
    predicted = surrogate.predict(some, SERVE, new_measurement=False)
    parts = predicted.ttft_ms["p50"] + (SERVE.output_tokens - 1) * predicted.tpot_ms["p50"]
    assert predicted.e2el_ms["p50"] == pytest.approx(parts, rel=0.02)
    drawn = surrogate.draw(some, SERVE, 500, seed=1)
    total = drawn["ttft_ms"] + (SERVE.output_tokens - 1) * drawn["tpot_ms"]
    assert drawn["e2el_ms"] == pytest.approx(total)
    tokens = 1e3 * SERVE.batch_size * SERVE.output_tokens / predicted.e2el_ms["p50"]
    assert predicted.tokens_per_second["p50"] == pytest.approx(tokens)
    assert (predicted.tokens_per_second["p05"] < predicted.tokens_per_second["p95"]).all()


def test_requests_alone_teach_both_phases():
    rng = np.random.default_rng(9)
    learnt, _ = timings(60, rng, figure="e2el_ms")
    asked, true = timings(100, rng, figure="e2el_ms")
    bands = fit_latency(learnt, DEVICE, seed=4).predict_rows(asked)
    assert np.mean(np.abs(bands["p50"] / true - 1)) < 0.03
    held = np.mean((bands["p05"] <= asked["latency_ms"]) & (asked["latency_ms"] <= bands["p95"]))
    assert held >= 0.75


@pytest.mark.parametrize(
    ("n", "method"),
    [
        (150, "chains"),
        (170, "laplace"),
        pytest.param(2100, "variational", marks=pytest.mark.slow),
    ],
)
def test_each_way_of_fitting_predicts_and_holds(n, method):
    rng = np.random.default_rng(n)
    learnt, _ = timings(n, rng)
    asked, true = timings(300, rng)
    fit = fit_latency(learnt, DEVICE, seed=5)
    assert fit.process.method == method
    bands = fit.predict_rows(asked)
    assert np.mean(np.abs(bands["p50"] / true - 1)) < 0.015
    held = np.mean((bands["p05"] <= asked["latency_ms"]) & (asked["latency_ms"] <= bands["p95"]))
    assert 0.8 <= held <= 0.99


def test_the_constants_are_found():
    rng = np.random.default_rng(12)
    learnt, _ = timings(80, rng)
    fit = fit_latency(learnt, DEVICE, seed=6)
    column = NAMES.index("matmul_rate")
    draws = fit.process.values().log_constants[:, column].numpy()
    truth = float(log_constants()[0, column])
    assert abs(draws.mean() - truth) < 3 * draws.std() + 0.1
    assert draws.std() < 0.5


def test_a_table_with_other_extra_columns_is_refused(surrogate, measurements):
    asked = LatencyTable.ask([measurements[0].architecture], SERVE, "ttft_ms")
    served = {**asked.labels, "device": ("local",)}
    other = LatencyTable.from_columns({**asked.columns, "bias": 1.0}, served)
    with pytest.raises(InvalidInputError, match="same extra columns"):
        surrogate.predict_rows(other)


def test_what_ran_out_of_memory_is_left_out(measurements):
    too_large = Measurement.infeasible(
        measurements[0].architecture, Workload(batch_size=512), "local", "torch 2", record={}
    )
    fit = fit_latency([*measurements[:8], too_large], DEVICE, seed=1)
    assert len(fit.table) == 16
    with pytest.raises(InvalidInputError, match="ran out of memory"):
        fit_latency([too_large], DEVICE)
