"""What must hold, as text; and whether it can hold together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bayeslaw.errors import InvalidInputError
from bayeslaw.space import Expression

_PROBES = (1.37, 2.37, 5.37)  # where nobody writes a pole, and a log exists
_NEAR = 1e-9


def read_limit(text: str) -> Expression:
    """Read a limit; ``baseline`` alone is spelt out as the baseline's value of what is on the left.

    Raises:
        ExpressionError: It cannot be read, or cannot say by how much it holds (a chain).
        InvalidInputError: It does not compare, or does not say whose baseline is meant.

    >>> read_limit("tpot_ms <= 0.95 * baseline").text
    'tpot_ms <= 0.95 * baseline.tpot_ms'
    """
    parsed = Expression(text)
    if not parsed.is_comparison:
        raise InvalidInputError(f"a limit compares, such as 'memory_gb <= 40', got {text!r}")
    if "baseline" in parsed.names:
        left = re.match(r"\s*([A-Za-z_]\w*)\s*(<=|<|>=|>)", text)
        if left is None:
            raise InvalidInputError(
                f"in {text!r} say whose baseline is meant: '<quantity> <= 0.95 * baseline' or "
                f"'baseline.<quantity>'"
            )
        parsed = Expression(re.sub(r"\bbaseline\b(?!\.)", f"baseline.{left[1]}", text))
    # A limit that cannot say by how much it holds fails here, not mid-plan.
    parsed.margin(dict.fromkeys(parsed.names, 1.0))
    return parsed


def check_together(limits: Sequence[Expression]) -> None:
    """Refuse two limits on one quantity that nothing can keep together.

    Raises:
        InvalidInputError: The message names the two.
    """
    bounds = [(limit, _bound(limit)) for limit in limits]
    for (first, one), (second, other) in combinations(bounds, 2):
        if one is None or other is None or one.name != other.name or one.unit != other.unit:
            continue
        if one.is_upper == other.is_upper:
            continue
        upper, lower = (one, other) if one.is_upper else (other, one)
        if upper.value < lower.value:
            raise InvalidInputError(
                f"the limits {first.text!r} and {second.text!r} contradict each other: "
                f"{upper.name} cannot be at most {upper.value:g} and at least {lower.value:g}"
                f"{' ' + upper.unit if upper.unit else ''}; drop or loosen one"
            )


@dataclass(frozen=True)
class _Bound:
    """Hold one side that a limit puts to one quantity, in numbers or in shares of the baseline's."""

    name: str
    value: float
    is_upper: bool
    unit: str


def _bound(limit: Expression) -> _Bound | None:
    """Read a limit that is linear in one quantity; None where it is anything else."""
    own = [name for name in limit.names if not name.startswith("baseline.")]
    of_baseline = limit.names - set(own)
    if len(own) != 1 or not of_baseline <= {f"baseline.{own[0]}"}:
        return None

    def margin(value: float, at_baseline: float = 1.0) -> float:
        found = limit.margin({own[0]: value, **dict.fromkeys(of_baseline, at_baseline)})
        return float(found)

    first, second, third = (margin(value) for value in _PROBES)
    slope = second - first
    near = _NEAR * (abs(first) + abs(second) + abs(third))
    is_linear = abs(third - first - (_PROBES[2] - _PROBES[0]) * slope) <= near
    if of_baseline:  # comparable only as a share: both sides grow alike
        is_linear &= abs(margin(2 * _PROBES[0], 2.0) - 2 * first) <= near
    if not is_linear or slope == 0:
        return None
    unit = "times the baseline's" if of_baseline else ""
    return _Bound(own[0], _PROBES[0] - first / slope, slope < 0, unit)
