import json
import re

import numpy as np
import pytest
from scipy import stats

from bayeslaw.models.latency import CONSTANTS, fit_latency, roofline_ms
from bayeslaw.models.latency.bounds import PARTS, what_bounds
from bayeslaw.report.latency import (
    latency_figures,
    learnt_constants,
    left_out_summary,
    noise_summary,
    write_latency_page,
)
from bayeslaw.report.latency.left_out import left_out_mixture, predict_timed_rows
from bayeslaw.report.latency.placement import achieved_flops_per_second
from bayeslaw.runs import Measurement
from bayeslaw.space import Architecture, Device, Workload

MACHINE = Device("here", {"float32": 5e10}, 1e10, 8e9)
LOAD = Workload(1, 64, 16)


def timing(rng):
    architecture = Architecture(
        n_layers=int(rng.integers(2, 7)),
        d_model=64 * int(rng.integers(1, 7)),
        n_heads=8,
        n_kv_heads=int(rng.choice([1, 2, 4, 8])),
        head_dim=32,
        d_ff=128 * int(rng.integers(1, 9)),
        vocab_size=512,
    )
    ttft, tpot = (
        (
            roofline_ms(
                [architecture], LOAD, MACHINE, phase=phase, flop_efficiency=0.4, byte_efficiency=0.5
            )[0]
            + 0.08
            + 0.05 * architecture.n_layers
        )
        * np.exp(0.02 * rng.standard_normal())
        for phase in ("prefill", "decode")
    )
    return Measurement(
        architecture, LOAD, "here", "torch <2>", float(ttft), float(tpot), 0.01 * ttft,
        0.01 * tpot, 9, session="one",
    )  # fmt: skip


@pytest.fixture(scope="module")
def surrogate():
    rng = np.random.default_rng(8)
    return fit_latency([timing(rng) for _ in range(10)], MACHINE, seed=1)


@pytest.fixture(scope="module")
def page(surrogate, tmp_path_factory):
    path = write_latency_page(tmp_path_factory.mktemp("page") / "new" / "page.html", surrogate)
    return path.read_text(encoding="utf-8")


def test_left_out_predictions_are_those_that_were_scored(surrogate):
    mean, sd = (part.numpy() for part in left_out_mixture(surrogate))
    log_seconds = np.log(surrogate.table["latency_ms"] / 1e3)
    below = stats.norm.cdf((log_seconds - mean) / sd).mean(axis=0)
    assert stats.norm.ppf(below) == pytest.approx(surrogate.scores, abs=1e-6)


def test_a_left_out_timing_is_predicted_worse_than_a_fitted_one(surrogate):
    timed = predict_timed_rows(surrogate)
    assert timed.is_left_out
    fitted = surrogate.predict_rows(surrogate.table)["p50"]
    own = np.abs(np.log(fitted / timed.measured_ms)).mean()
    assert np.abs(timed.log_error).mean() > own
    width = np.log(timed.quantiles["p95"] / timed.quantiles["p05"])
    assert (width > 0).all()


def test_constants_lie_within_their_intervals_of_the_truth_and_say_what_was_not_learnt(surrogate):
    found = {constant.name: constant for constant in learnt_constants(surrogate)}
    assert set(found) == {c.name for c in CONSTANTS} - {"link_ratio", "link_layer"}
    weights = found["weight_rate"]
    assert weights.unit == "byte/s" and weights.p05 < weights.p50 < weights.p95
    assert weights.of_ceiling == pytest.approx(weights.p50 / 1e10)
    assert 0.3 < weights.of_ceiling < 0.8  # 0.5 is the truth
    assert str(weights).endswith("Gbyte/s") and found["cache_ratio"].of_ceiling is None
    assert weights.width_left < 0.8 < found["prefill_sequence"].width_left


def test_noise_is_near_the_two_percent_that_was_put_in(surrogate):
    noise = noise_summary(surrogate)
    scatter = np.hypot(noise["timing_ttft_ms"], noise["roofline_prefill"])
    assert 0.004 < scatter < 0.08
    assert set(noise) >= {"timing_ttft_ms", "timing_tpot_ms", "session", "tail_degrees"}


def test_the_share_inside_is_counted_on_scores(surrogate):
    found = left_out_summary(surrogate)
    assert found is not None
    inside = np.abs(surrogate.scores) <= 1.6448536
    assert found["share_inside"] == pytest.approx(inside.mean())
    assert left_out_summary(surrogate, 0.5)["share_inside"] < found["share_inside"]


def test_every_figure_says_what_its_axes_show_and_holds_every_timing(surrogate):
    figures = {figure.name: figure for figure in latency_figures(surrogate)}
    assert list(figures) == ["fitted", "residuals", "roofline", "bounds"]
    for figure in figures.values():
        axes = [*figure.drawn.select_xaxes(), *figure.drawn.select_yaxes()]
        titles = [axis.title.text for axis in axes if axis.title.text]
        assert titles and any("[" in title for title in titles), figure.name
        assert figure.caption.endswith(".")
    marks = [t for t in figures["fitted"].drawn.data if t.name in ("inside 90 %", "outside")]
    assert sum(len(trace.x) for trace in marks) == len(surrogate.table)
    placed = [t for t in figures["roofline"].drawn.data if t.mode == "markers"]
    assert sum(len(trace.x) for trace in placed) == len(surrogate.table)
    for trace in placed:
        assert (np.array(trace.y) < 5e10).all()  # no timing passes the ceiling


def test_bars_of_one_case_add_up_to_the_whole_time(surrogate):
    figure = next(f for f in latency_figures(surrogate) if f.name == "bounds")
    bars = [trace for trace in figure.drawn.data if trace.type == "bar"]
    assert len(bars) == 2 * len(PARTS)
    for panel in (bars[: len(PARTS)], bars[len(PARTS) :]):
        assert np.sum([bar.x for bar in panel], axis=0) == pytest.approx(100.0)


def test_decode_lies_left_of_prefill_and_below_its_roof(surrogate):
    bounds = what_bounds(surrogate, surrogate.table)
    is_decode = np.array(surrogate.table.labels["figure"]) == "tpot_ms"
    intensity = bounds.placement.intensity
    assert intensity[is_decode].max() < intensity[~is_decode].min()
    assert (achieved_flops_per_second(surrogate.table) < bounds.placement.roof).all()


def test_the_page_needs_nothing_else_and_holds_what_was_learnt(page):
    assert page.count("data-figure=") == 4
    assert "https://" not in page.split("plotly.js v")[0]
    for words in ("matmul_rate", "Width left", "timing_tpot_ms", "left-out timings lie inside"):
        assert words in page
    assert "torch &lt;2&gt;" in page and "torch <2>" not in page.split("<script")[0]
    for data in re.findall(r'type="application/json" data-figure="[^"]*">(.*?)</script>', page):
        assert json.loads(data)["data"]
