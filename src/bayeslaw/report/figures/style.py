"""One look for all figures.

Colours keep 3:1 contrast on the light and on the dark page and stay apart for the common kinds of
colour blindness; every group has a marker of its own as well. Text, axes and grid take their
colours from the page's CSS, so they follow the reader's light or dark setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bayeslaw.report.curves import Band
from bayeslaw.space import Architecture

BLUE = "#3f82c8"
VERMILLION = "#dd5424"
GREEN = "#178f6e"
GREY = "#818994"

RECOMMENDED: Mapping[str, Any] = {"color": VERMILLION, "symbol": "star", "size": 17}
BASELINE: Mapping[str, Any] = {"color": GREY, "symbol": "square", "size": 11}
MEASURED: Mapping[str, Any] = {"symbol": "diamond-open", "size": 12, "line": {"width": 2.5}}


def faded(colour: str, opacity: float) -> str:
    """Return a colour with an opacity.

    >>> faded("#3f82c8", 0.25)
    'rgba(63,130,200,0.25)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def new_figure(height: int = 430) -> go.Figure:
    """Return an empty figure in the house's look."""
    figure = go.Figure()
    apply_style(figure, height)
    return figure


def apply_style(figure: go.Figure, height: int) -> None:
    """Give a figure the house's look; the page's CSS colours text and lines."""
    figure.update_layout(
        template="none",
        height=height,
        autosize=True,
        margin={"l": 68, "r": 16, "t": 42, "b": 58},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13, "family": "system-ui, -apple-system, 'Segoe UI', sans-serif"},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}},
        hoverlabel={"font": {"size": 12}, "align": "left"},
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
    )
    figure.update_xaxes(ticks="outside", ticklen=4, zeroline=False, showgrid=True, automargin=True)
    figure.update_yaxes(ticks="outside", ticklen=4, zeroline=False, showgrid=True, automargin=True)


def add_band(
    figure: go.Figure, band: Band, *, name: str, unit: str, show_legend: bool = True, **where: int
) -> None:
    """Draw a median with its 50 % and 90 % bands; ``where`` is a row and column of subplots."""
    x = tidy(band.at)
    for low, high, opacity, label in (
        ("p05", "p95", 0.14, "90 % band"),
        ("p25", "p75", 0.28, "50 % band"),
    ):
        figure.add_scatter(
            x=x + x[::-1],
            y=tidy(band.quantiles[high]) + tidy(band.quantiles[low])[::-1],
            fill="toself",
            fillcolor=faded(BLUE, opacity),
            line={"width": 0, "simplify": False},
            mode="lines",
            hoverinfo="skip",
            name=label,
            legendgroup=label,
            showlegend=show_legend,
            **where,
        )
    figure.add_scatter(
        x=x,
        y=tidy(band.quantiles["p50"]),
        mode="lines",
        line={"color": BLUE, "width": 2.2, "simplify": False},
        name=name,
        legendgroup=name,
        showlegend=show_legend,
        customdata=[
            list(pair)
            for pair in zip(tidy(band.quantiles["p05"]), tidy(band.quantiles["p95"]), strict=True)
        ],
        hovertemplate=(
            f"%{{x:.4g}}: %{{y:.4f}} {unit}<br>90 %: %{{customdata[0]:.4f}} to "
            f"%{{customdata[1]:.4f}}<extra></extra>"
        ),
        **where,
    )


def bars(
    middle: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    colour: str,
    thickness: float = 1.2,
) -> dict[str, Any]:
    """Return error bars from each value down to ``low`` and up to ``high``."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [b - a for a, b in zip(middle, high, strict=True)],
        "arrayminus": [a - b for a, b in zip(middle, low, strict=True)],
        "color": colour,
        "thickness": thickness,
        "width": 0,
    }


def log_ticks(
    low: float, high: float, label: Callable[[float], str] = "{:g}".format
) -> dict[str, Any]:
    """Return ticks of a logarithmic axis that do not crowd: 1, 2, 5, and more where it is short.

    >>> log_ticks(0.8, 30.0)["tickvals"]
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps: tuple[float, ...] = (1, 2, 5) if high / low > 12 else (1, 1.5, 2, 3, 5, 7)
    if high / low < 2:
        steps = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)
    values = [float(f"{step}e{decade}") for decade in decades for step in steps]
    shown = [value for value in values if low <= value <= high]
    return {"tickvals": shown, "ticktext": [label(value) for value in shown]}


def tidy(values: np.ndarray) -> list[float]:
    """Return values as a list with seven digits: enough for a screen, and half the file."""
    return [float(f"{value:.7g}") for value in values]


def shape_label(architecture: Architecture | Mapping[str, Any]) -> str:
    """Return a shape in one line, safe in a hover text."""
    if not isinstance(architecture, Architecture):
        architecture = Architecture.from_dict(dict(architecture))
    return escape(str(architecture))
