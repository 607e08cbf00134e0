"""Numbers as a person reads them, with units; the space before a unit does not break."""

from __future__ import annotations

import math
from collections.abc import Mapping

NBSP = "\u00a0"


def count(value: float) -> str:
    """Return a count with three digits: ``853 k``, ``17.0 M``, ``1.24 B``.

    >>> [count(n).replace(NBSP, " ") for n in (257, 853_000, 17e6, 1.2358e9, 999_950)]
    ['257', '853 k', '17.0 M', '1.24 B', '1.00 M']
    """
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * scale:
            return f"{significant(value / scale, 3)}{NBSP}{letter}"
    return f"{value:.0f}"


def significant(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, whole where it is large.

    >>> significant(0.012345), significant(1234.6), significant(2.0)
    ('0.0123', '1235', '2.00')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    # 9.996 becomes 10.0, not 10.00: digits are counted after rounding.
    rounded = round(value, places)
    if rounded:
        places = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    return f"{rounded:.{places}f}"


def tiny_or_huge(value: float) -> str:
    """Return three digits, with a power of ten where plain digits would be long.

    >>> [tiny_or_huge(value) for value in (0.40371, 10270.0, 3.2e-7)]
    ['0.404', '10270', '3.2e-07']
    """
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return significant(value, 3)


def places_for(quantiles: Mapping[str, float]) -> int:
    """Return decimals that show an interval's width with two digits."""
    width = quantiles["p95"] - quantiles["p05"]
    if width <= 0:
        return 3
    return min(max(1 - math.floor(math.log10(width)), 0), 6)


def interval(quantiles: Mapping[str, float]) -> str:
    """Return the 90 % interval without unit.

    >>> interval({"p05": 1.5812, "p50": 1.623, "p95": 1.6691})
    '1.581–1.669'
    """
    places = places_for(quantiles)
    return f"{quantiles['p05']:.{places}f}–{quantiles['p95']:.{places}f}"


def median(quantiles: Mapping[str, float], *, extra_places: int = 0) -> str:
    """Return the median with the decimals of its interval, or more."""
    return f"{quantiles['p50']:.{places_for(quantiles) + extra_places}f}"


def with_interval(
    quantiles: Mapping[str, float] | None, unit: str = "", *, extra_places: int = 0
) -> str:
    """Return median, 90 % interval and unit, a dash where nothing is known.

    Intervals of loss are mostly error that all candidates share, so medians tell them apart with
    a digit that the interval does not show: ``extra_places``.

    >>> with_interval({"p05": 1.5812, "p50": 1.623, "p95": 1.6691}, "ms").replace(NBSP, " ")
    '1.623 ms (1.581–1.669)'
    """
    if quantiles is None:
        return "–"
    shown = median(quantiles, extra_places=extra_places)
    if unit:
        shown += f"{NBSP}{unit}"
    return f"{shown} ({interval(quantiles)})"


def percent(probability: float | None) -> str:
    """Return a probability; draws cannot tell one from certainty, so ends are open.

    >>> [percent(p).replace(NBSP, " ") for p in (0.834, 1.0, 0.0, None)]
    ['83 %', '> 99 %', '< 1 %', '–']
    """
    if probability is None:
        return "–"
    if probability > 0.99:
        return f">{NBSP}99{NBSP}%"
    if probability < 0.01:
        return f"<{NBSP}1{NBSP}%"
    return f"{100 * probability:.0f}{NBSP}%"


def duration(seconds: float) -> str:
    """Return a time as its two largest units.

    >>> [duration(s).replace(NBSP, " ") for s in (0.42, 43.4, 192, 7500)]
    ['0.42 s', '43 s', '3 min 12 s', '2 h 05 min']
    """
    if seconds < 10:
        return f"{significant(seconds, 2)}{NBSP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{NBSP}s"
    if whole < 3600:
        return f"{whole // 60}{NBSP}min{NBSP}{whole % 60:02d}{NBSP}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{NBSP}h{NBSP}{minutes % 60:02d}{NBSP}min"


def gpu_hours(hours: float) -> str:
    """Return device time, in seconds where hours would be all zeros.

    >>> gpu_hours(0.004).replace(NBSP, " "), gpu_hours(12.3).replace(NBSP, " ")
    ('14 device-seconds', '12.3 device-hours')
    """
    if hours < 0.1:
        return f"{hours * 3600:.2g}{NBSP}device-seconds"
    return f"{significant(hours)}{NBSP}device-hours"
