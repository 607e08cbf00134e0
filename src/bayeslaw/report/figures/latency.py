"""What was timed, beside what the surrogate says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bayeslaw.report.content import ReportContent
from bayeslaw.report.figures.style import (
    BLUE,
    GREY,
    apply_style,
    bars,
    faded,
    log_ticks,
    shape_label,
    tidy,
)
from bayeslaw.report.numbers import count
from bayeslaw.runs import Measurement

_FIGURES = {"ttft_ms": "First token, TTFT", "tpot_ms": "Each later token, TPOT"}


def latency_figure(content: ReportContent) -> go.Figure | None:
    """Draw timings against the surrogate's predictions, or against size where there is none.

    None where nothing was timed; what ran out of memory has no place here. Timings that the
    surrogate was fitted to agree more than new ones would; the page says so.
    """
    measurements = [m for m in content.measurements if m.is_feasible]
    if not measurements:
        return None
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.13)
    apply_style(figure, 400)
    predictions = _predictions(content, measurements)
    for column, (name, title) in enumerate(_FIGURES.items(), start=1):
        timed = [getattr(m, name) for m in measurements]
        spread = [getattr(m, name.replace("_ms", "_iqr_ms")) / 2 for m in measurements]
        bars_y = bars(
            timed,
            [a - b for a, b in zip(timed, spread, strict=True)],
            [a + b for a, b in zip(timed, spread, strict=True)],
            faded(BLUE, 0.45),
        )
        if predictions is None:
            x: Sequence[float] = [float(m.architecture.n_params) for m in measurements]
            bars_x, x_title = None, "Weights, all [count]"
        else:
            found = predictions[name]
            x = found["p50"]
            bars_x = bars(x, found["p05"], found["p95"], faded(BLUE, 0.45))
            x_title = f"{title}: predicted [ms]"
            ends = [min(*x, *timed) / 1.1, max(*x, *timed) * 1.1]
            figure.add_scatter(
                x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot", "width": 1.3},
                name="predicted = measured", hoverinfo="skip", showlegend=column == 1,
                row=1, col=column,
            )  # fmt: skip
        figure.add_scatter(
            x=x,
            y=timed,
            error_x=bars_x,
            error_y=bars_y,
            mode="markers",
            marker={"color": BLUE, "size": 8},
            name="timed (median, interquartile range)",
            legendgroup="timed",
            showlegend=column == 1,
            text=[_hover(m, name) for m in measurements],
            hovertemplate="%{text}<extra></extra>",
            row=1,
            col=column,
        )
        label = count if predictions is None else "{:g}".format
        x_ticks = log_ticks(min(x) / 1.1, max(x) * 1.1, label)
        y_ticks = log_ticks(min(timed) / 1.1, max(timed) * 1.1)
        figure.update_xaxes(type="log", title=x_title, **x_ticks, row=1, col=column)
        figure.update_yaxes(
            type="log", title=f"{title}: measured [ms]", **y_ticks, row=1, col=column
        )
    return figure


def _predictions(
    content: ReportContent, measurements: Sequence[Measurement]
) -> Mapping[str, Mapping[str, list[float]]] | None:
    """Return the surrogate's intervals for another timing of each measurement, in order."""
    if content.latency is None:
        return None
    rows: dict[str, dict[str, list[float]]] = {
        name: {"p05": [], "p50": [], "p95": []} for name in _FIGURES
    }
    for measurement in measurements:
        predicted = content.latency.predict([measurement.architecture], measurement.workload)
        for name, quantiles in rows.items():
            for key, values in quantiles.items():
                values += tidy(getattr(predicted, name)[key])
    return rows


def _hover(measurement: Measurement, name: str) -> str:
    iqr = getattr(measurement, name.replace("_ms", "_iqr_ms"))
    return (
        f"<b>{shape_label(measurement.architecture)}</b><br>{getattr(measurement, name):.4g} ms, "
        f"interquartile range {iqr:.2g} ms<br>{measurement.n_repeats} repeats"
    )
