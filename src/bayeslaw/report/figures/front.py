"""Which candidates may be on the front at the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from bayeslaw.report.content import ReportContent
from bayeslaw.report.figures.style import (
    BASELINE,
    BLUE,
    MEASURED,
    RECOMMENDED,
    VERMILLION,
    bars,
    faded,
    new_figure,
    shape_label,
)


def front_figure(content: ReportContent) -> go.Figure | None:
    """Draw loss against time per token with 90 % intervals; None where either is unknown."""
    chosen, baseline = content.chosen, content.baseline
    if content.recommendation is None or chosen is None or not _is_plotted(chosen):
        return None
    rivals = [
        forecast
        for forecast in content.recommendation["front"]
        if _is_plotted(forecast) and forecast["architecture"] != chosen["architecture"]
    ]
    figure = new_figure(470)
    if rivals:
        _add(
            figure,
            rivals,
            "on the front in some draws",
            {
                "color": BLUE,
                "size": [6 + 12 * f["p_pareto"] for f in rivals],
                "opacity": [0.35 + 0.6 * f["p_pareto"] for f in rivals],
                "line": {"width": 0},
            },
            faded(BLUE, 0.2),
        )
    if baseline is not None and _is_plotted(baseline):
        _add(figure, [baseline], "baseline", dict(BASELINE), BASELINE["color"], 2.2)
    _add(figure, [chosen], "recommended", dict(RECOMMENDED), VERMILLION, 2.2)
    _add_measured(figure, content)
    figure.update_xaxes(title="Time per output token, TPOT [ms]")
    figure.update_yaxes(title="Loss at the target [nats per token]")
    return figure


def _is_plotted(forecast: Mapping[str, Any]) -> bool:
    return forecast["loss_nats"] is not None and forecast["tpot_ms"] is not None


def _add(
    figure: go.Figure,
    forecasts: Sequence[Mapping[str, Any]],
    name: str,
    marker: dict[str, Any],
    bar_colour: str,
    thickness: float = 1.2,
) -> None:
    values = {
        axis: {key: [f[axis][key] for f in forecasts] for key in ("p05", "p50", "p95")}
        for axis in ("tpot_ms", "loss_nats")
    }
    x, y = values["tpot_ms"], values["loss_nats"]
    figure.add_scatter(
        x=x["p50"],
        y=y["p50"],
        error_x=bars(x["p50"], x["p05"], x["p95"], bar_colour, thickness),
        error_y=bars(y["p50"], y["p05"], y["p95"], bar_colour, thickness),
        mode="markers",
        marker=marker,
        name=name,
        text=[_hover(forecast) for forecast in forecasts],
        hovertemplate="%{text}<extra></extra>",
    )


def _add_measured(figure: go.Figure, content: ReportContent) -> None:
    found = {checked.name: checked for checked in content.checked}
    if set(found) != {"loss_nats", "tpot_ms"}:
        return
    loss, tpot = found["loss_nats"], found["tpot_ms"]
    pairs = [("recommended, measured", tpot.measured, loss.measured, VERMILLION)]
    if tpot.baseline is not None and loss.baseline is not None:
        pairs.append(("baseline, measured", tpot.baseline, loss.baseline, BASELINE["color"]))
    for name, x, y, colour in pairs:
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers",
            marker={**MEASURED, "color": colour},
            name=name,
            hovertemplate=f"{name}<br>%{{y:.4f}} nats/token<br>%{{x:.4g}} ms<extra></extra>",
        )


def _hover(forecast: Mapping[str, Any]) -> str:
    loss, tpot = forecast["loss_nats"], forecast["tpot_ms"]
    return (
        f"<b>{shape_label(forecast['architecture'])}</b>"
        f"<br>loss {loss['p50']:.4f} ({loss['p05']:.4f} to {loss['p95']:.4f}) nats/token"
        f"<br>TPOT {tpot['p50']:.4g} ({tpot['p05']:.4g} to {tpot['p95']:.4g}) ms"
        f"<br>P(Pareto) {forecast['p_pareto']:.0%}, P(feasible) {forecast['p_feasible']:.0%}"
    )
