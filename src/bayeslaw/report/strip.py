"""A predicted interval and what was measured, as a drawing that needs no script."""

from __future__ import annotations

from bayeslaw.report.markup import Html, join, tag
from bayeslaw.report.verdict import CheckedFigure

_WIDTH, _HEIGHT = 560, 34


def interval_strip(figure: CheckedFigure) -> Html:
    """Return an SVG: a bar from 5 to 95 %, a tick at the median, a diamond where it was measured."""
    if figure.predicted is None:
        return Html("")
    low, middle, high = (figure.predicted[key] for key in ("p05", "p50", "p95"))
    shown = [low, high, figure.measured, *([figure.baseline] if figure.baseline else [])]
    pad = 0.08 * (max(shown) - min(shown)) or 1.0
    first, span = min(shown) - pad, max(shown) - min(shown) + 2 * pad

    def x(value: float) -> str:
        return f"{_WIDTH * (value - first) / span:.1f}"

    y = _HEIGHT / 2
    left, right = x(low), x(high)
    parts = [
        tag("line", x1=0, x2=_WIDTH, y1=y, y2=y, class_="axis"),
        tag(
            "rect",
            x=left,
            y=y - 8,
            width=f"{float(right) - float(left):.1f}",
            height=16,
            rx=3,
            class_="band",
        ),
        tag("line", x1=x(middle), x2=x(middle), y1=y - 11, y2=y + 11, class_="median"),
    ]
    if figure.baseline is not None:
        parts.append(
            tag(
                "rect",
                x=f"{float(x(figure.baseline)) - 5:.1f}",
                y=y - 5,
                width=10,
                height=10,
                class_="baseline",
            )
        )
    at = x(figure.measured)
    parts.append(tag("path", d=f"M{at} {y - 9}l9 9l-9 9l-9 -9z", class_="measured"))
    words = f"{figure.title}: interval {low:.4g} to {high:.4g}, measured {figure.measured:.4g} {figure.unit}"
    return tag(
        "svg", join(parts), class_="strip", role="img", aria_label=words,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
    )  # fmt: skip
