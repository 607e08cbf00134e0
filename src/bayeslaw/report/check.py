"""The check: what was predicted, and what the network did when it was built."""

from __future__ import annotations

from bayeslaw.report.content import ReportContent
from bayeslaw.report.markup import Html, tag
from bayeslaw.report.numbers import NBSP, interval, median, places_for, significant
from bayeslaw.report.strip import interval_strip
from bayeslaw.report.verdict import CheckedFigure

_KEY = "Bar: predicted, 5 to 95 %; line: its median; diamond: measured; square: baseline measured."


def check_panel(content: ReportContent) -> Html | None:
    """Return each figure predicted and measured; a line where nothing is checked yet."""
    if not content.checked:
        if content.chosen is None:
            return None
        return tag(
            "p",
            "Not checked yet: the recommended network has not been trained at the target.",
            class_="muted",
        )
    n_inside = sum(bool(figure.is_inside) for figure in content.checked)
    judged = [figure for figure in content.checked if figure.is_inside is not None]
    lead = "It was built and measured. "
    if judged:
        lead += _count_inside(n_inside, len(judged))
    return tag(
        "div",
        tag("h3", "The check"),
        tag("p", lead, class_="lead"),
        *(_checked_figure(figure) for figure in content.checked),
        tag("p", _KEY, class_="key") if judged else None,
        class_="check",
    )


def _count_inside(n_inside: int, n_judged: int) -> str:
    if n_judged == 1:
        return f"The measured figure lies {'inside' if n_inside else 'outside'} its 90{NBSP}% interval."
    if n_inside == n_judged:
        return f"Both figures lie inside their 90{NBSP}% intervals."
    if n_inside == 0:
        return f"Both figures lie outside their 90{NBSP}% intervals."
    return f"One of two figures lies inside its 90{NBSP}% interval."


def _checked_figure(figure: CheckedFigure) -> Html:
    # One digit more than the interval's: the difference to the baseline is often smaller than it.
    places = 3 if figure.predicted is None else places_for(figure.predicted) + 1
    measured = f"{figure.measured:.{places}f}{NBSP}{figure.unit}"
    if figure.predicted is None:
        said: list[object] = [f"{figure.title}: measured {measured}; nothing was predicted."]
    else:
        side = "inside" if figure.is_inside else "outside"
        said = [
            f"{figure.title}: predicted {interval(figure.predicted)} (median {median(figure.predicted)}), measured ",
            tag("b", measured),
            ": ",
            tag("span", side, class_=f"chip {'good' if figure.is_inside else 'bad'}"),
        ]
        if figure.miss:
            where = "above its upper" if figure.miss > 0 else "below its lower"
            said.append(f" {significant(abs(figure.miss), 2)}{NBSP}{figure.unit} {where} end")
        said.append(".")
    if figure.baseline is not None:
        said.append(f" {_against(figure, places)}")
    return tag("div", tag("p", *said), interval_strip(figure), class_="checked")


def _against(figure: CheckedFigure, places: int) -> str:
    assert figure.baseline is not None
    by = figure.baseline - figure.measured
    shown = f"{figure.baseline:.{places}f}{NBSP}{figure.unit}"
    if by == 0:
        said = f"The baseline measured the same, {shown}"
    else:
        verb = "beats" if by > 0 else "loses to"
        share = f"{100 * abs(by) / figure.baseline:.1f}{NBSP}%"
        gap = f"{significant(abs(by), 2)}{NBSP}{figure.unit}"
        said = f"It {verb} the baseline's {shown} by {gap} ({share})"
    if (predicted := figure.baseline_predicted) is None:
        return f"{said}."
    is_inside = predicted["p05"] <= figure.baseline <= predicted["p95"]
    side = "inside" if is_inside else "outside"
    return f"{said}; the baseline was predicted at {interval(predicted)}, so it lies {side}."
