import numpy as np
import pytest

from bayeslaw.report.curves import point, pooled_losses, shape_band
from bayeslaw.report.figures import (
    front_figure,
    latency_figure,
    scaling_figure,
    shape_columns,
    shape_figure,
)


def _named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_the_front_marks_recommended_baseline_and_measured_points(content):
    figure = front_figure(content)
    chosen = content.recommendation["chosen"]
    star = _named(figure, "recommended")
    assert (star.x[0], star.y[0]) == (chosen["tpot_ms"]["p50"], chosen["loss_nats"]["p50"])
    assert star.y[0] + star.error_y.array[0] == pytest.approx(chosen["loss_nats"]["p95"])
    assert star.x[0] - star.error_x.arrayminus[0] == pytest.approx(chosen["tpot_ms"]["p05"])
    measured = _named(figure, "baseline, measured")
    assert measured.y[0] == content.check["baseline_loss"]
    assert (
        "[ms]" in figure.layout.xaxis.title.text
        and "[nats per token]" in figure.layout.yaxis.title.text
    )


def test_shape_curves_show_the_columns_the_law_uses_on_log_axes(content):
    assert shape_columns(content) == ["relative_width", "mlp_attention_ratio"]
    figure = shape_figure(content)
    assert figure.layout.xaxis.type == figure.layout.xaxis4.type == "log"
    medians = [trace for trace in figure.data if trace.name == "median"]
    assert len(medians) == 4


def test_a_shape_band_below_is_exactly_zero_at_the_centre(content):
    centre = point(content.centre, content.target.n_tokens)
    at = np.array([centre["relative_width"], 2 * centre["relative_width"]])
    band = shape_band(content.posteriors, centre, "relative_width", at, relative=True)
    assert [float(values[0]) for values in band.quantiles.values()] == [0.0] * 5
    whole = shape_band(content.posteriors, centre, "relative_width", at)
    # Errors that all shapes share cancel, so the difference is narrower than the level.
    width = {name: b.quantiles["p95"][1] - b.quantiles["p05"][1] for name, b in
             (("difference", band), ("level", whole))}  # fmt: skip
    assert width["difference"] < width["level"]


def test_laws_weigh_equally_whatever_their_draws(content):
    posterior = content.posteriors[0]
    columns = {name: np.array([value]) for name, value in point(content.centre, 1e6).items()}
    few = posterior.thin(50)
    many_half, few_half = np.split(pooled_losses([posterior, few], columns), 2)
    assert many_half.shape == few_half.shape
    np.testing.assert_array_equal(np.unique(few_half), np.unique(few.losses(columns)))


def test_the_cost_figure_ends_at_the_target_and_says_how_far_that_is(content):
    figure = scaling_figure(content)
    ends = _named(figure, "predicted, this shape").x
    n_body = content.centre.n_params_body
    assert ends[-1] == pytest.approx(6.0 * n_body * content.target.n_tokens, rel=1e-6)
    assert f"{content.extrapolation:.3g}× beyond" in figure.layout.annotations[0].text
    assert {"first set", "chosen by the planner", "trained to check"} <= {
        t.name for t in figure.data
    }


def test_superseded_and_failed_runs_are_not_drawn(content):
    figure = scaling_figure(content)
    drawn = sum(len(t.x) for t in figure.data if t.name in ("first set", "chosen by the planner"))
    assert drawn == 13


def test_latency_is_predicted_against_measured(content):
    figure = latency_figure(content)
    points = next(t for t in figure.data if t.mode == "markers")
    assert list(points.y) == [m.ttft_ms for m in content.measurements]
    np.testing.assert_allclose(points.x, points.y, rtol=0.25)
    assert "predicted [ms]" in figure.layout.xaxis.title.text
