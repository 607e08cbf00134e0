"""What each ratio of the shape does to the loss at the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bayeslaw.report.content import ReportContent
from bayeslaw.report.curves import N_POINTS, column_of, point, shape_band
from bayeslaw.report.figures.style import (
    BASELINE,
    GREY,
    RECOMMENDED,
    add_band,
    apply_style,
    faded,
    log_ticks,
)

SHAPES: Mapping[str, str] = {
    "relative_width": "Relative width x = d_model / √N",
    "mlp_attention_ratio": "MLP-to-attention ratio r",
    "aspect_ratio": "Aspect ratio R = d_model / n_layers",
}
"""Shape columns that a law may use, with their axis titles; all are ratios without unit."""


def shape_columns(content: ReportContent) -> list[str]:
    """Return the shape columns that some fitted law uses."""
    used = {name for posterior in content.posteriors for name in posterior.law.inputs}
    return [name for name in SHAPES if name in used]


def shape_figure(content: ReportContent) -> go.Figure | None:
    """Draw the predicted loss against each shape ratio, above, and its change, below.

    All other columns stay at the recommended architecture's (the baseline's before there is one).
    Below, each draw's loss at the centre is taken off it: errors that all architectures share
    cancel, and what is left is how sure the runs are about shape. None where no law knows shape.
    """
    names = shape_columns(content)
    if not names:
        return None
    figure = make_subplots(
        rows=2, cols=len(names), shared_xaxes=True, shared_yaxes=True, vertical_spacing=0.06,
        horizontal_spacing=0.04,
    )  # fmt: skip
    apply_style(figure, 620)
    centre = point(content.centre, content.target.n_tokens)
    shapes: list[dict[str, Any]] = []
    for column, name in enumerate(names, start=1):
        at = _axis_values(content, name)
        for row in (1, 2):
            band = shape_band(content.posteriors, centre, name, at, relative=row == 2)
            add_band(
                figure, band, name="median", unit="nats/token", show_legend=row == column == 1,
                row=row, col=column,
            )  # fmt: skip
            shapes += _marks(content, name, (row - 1) * len(names) + column)
        ticks = log_ticks(float(at[0]), float(at[-1]))
        where = {"type": "log", "col": column, **ticks}
        figure.update_xaxes(row=1, showticklabels=False, **where)
        figure.update_xaxes(row=2, title=SHAPES[name], **where)
    _add_legend(figure, content)
    figure.update_layout(shapes=shapes)
    figure.update_yaxes(title="Loss [nats per token]", row=1, col=1)
    figure.update_yaxes(title="Change from the marked shape<br>[nats per token]", row=2, col=1)
    return figure


def _axis_values(content: ReportContent, name: str) -> np.ndarray:
    seen = [getattr(a, name) for a in (content.centre, content.target.baseline)]
    seen += [value for run in content.learnt if (value := column_of(run, name)) is not None]
    return np.geomspace(min(seen) / 1.25, max(seen) * 1.25, N_POINTS)


def _marks(content: ReportContent, name: str, subplot: int) -> list[dict[str, Any]]:
    """Return the lines of one panel: recommended and baseline, and a tick a trained value."""
    trained = {
        float(f"{value:.3g}")
        for run in content.learnt
        if (value := column_of(run, name)) is not None
    }
    lines = [(value, 0.05, faded(GREY, 0.95), "solid") for value in sorted(trained)]
    lines.append((getattr(content.target.baseline, name), 1.0, BASELINE["color"], "dash"))
    if content.chosen is not None:
        lines.append((getattr(content.centre, name), 1.0, RECOMMENDED["color"], "solid"))
    axis = "" if subplot == 1 else str(subplot)
    return [
        {
            "type": "line", "xref": f"x{axis}", "yref": f"y{axis} domain",
            "x0": value, "x1": value, "y0": 0, "y1": height,
            "line": {"color": colour, "width": 1.6, "dash": dash},
        }
        for value, height, colour, dash in lines
    ]  # fmt: skip


def _add_legend(figure: go.Figure, content: ReportContent) -> None:
    """Add an empty trace for each kind of line: lines of a layout have no legend."""
    entries = [("baseline", BASELINE["color"], "dash")]
    if content.chosen is not None:
        entries.insert(0, ("recommended", RECOMMENDED["color"], "solid"))
    for name, colour, dash in entries:
        line = {"color": colour, "width": 1.6, "dash": dash}
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=line, row=1, col=1)
    tick = {"symbol": "line-ns", "size": 9, "line": {"width": 1.6, "color": GREY}}
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name="a run was trained here", marker=tick,
        row=1, col=1,
    )  # fmt: skip
