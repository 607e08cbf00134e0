"""Whether what was predicted came true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bayeslaw.errors import InvalidInputError

# Name in a forecast, name in the check, its flag, title, unit.
_FIGURES = (
    ("loss_nats", "loss", "loss_inside_90", "Loss", "nats/token"),
    ("tpot_ms", "tpot_ms", "latency_inside_90", "Time per output token", "ms"),
)


@dataclass(frozen=True)
class CheckedFigure:
    """Hold one figure of the recommended network: predicted, then measured.

    Attributes:
        name: ``loss_nats`` or ``tpot_ms``.
        title: For a person.
        unit: Of all values.
        predicted: Quantiles ``p05``, ``p50``, ``p95``; None where nothing was predicted.
        measured: Of the recommended network.
        baseline: Measured of the baseline; None where it was not.
        baseline_predicted: Its quantiles; None where nothing was predicted.
        is_inside: Whether it was measured inside the 90 % interval; None without one.
    """

    name: str
    title: str
    unit: str
    predicted: Mapping[str, float] | None
    measured: float
    baseline: float | None
    baseline_predicted: Mapping[str, float] | None
    is_inside: bool | None

    @property
    def miss(self) -> float:
        """How far outside the interval it lies, in its unit: above positive, 0 inside."""
        if self.predicted is None:
            return 0.0
        above = max(self.measured - self.predicted["p95"], 0.0)
        return above or min(self.measured - self.predicted["p05"], 0.0)


def checked_figures(
    check: Mapping[str, Any] | None,
    chosen: Mapping[str, Any] | None,
    baseline: Mapping[str, Any] | None = None,
) -> tuple[CheckedFigure, ...]:
    """Return what a check says of each figure that was measured.

    Args:
        check: See `bayeslaw.report.ReportContent`; None gives nothing.
        chosen: Forecast whose interval is taken where the check holds none.
        baseline: Forecast of the baseline.

    Raises:
        InvalidInputError: A flag contradicts its interval.

    >>> figure, = checked_figures(
    ...     {"recommended_loss": 2.5, "loss_p05": 2.0, "loss_p50": 2.2, "loss_p95": 2.4}, None)
    >>> figure.is_inside, round(figure.miss, 3)
    (False, 0.1)
    """
    found = []
    for name, short, flag, title, unit in _FIGURES:
        measured = (check or {}).get(f"recommended_{short}")
        if check is None or measured is None:
            continue
        predicted = _interval(check, short) or (chosen or {}).get(name)
        is_inside = check.get(flag)
        if predicted is not None:
            computed = bool(predicted["p05"] <= measured <= predicted["p95"])
            if is_inside is not None and bool(is_inside) != computed:
                raise InvalidInputError(
                    f"the check says {flag}={is_inside}, but {measured} lies "
                    f"{'inside' if computed else 'outside'} [{predicted['p05']}, "
                    f"{predicted['p95']}]; pass the recommendation that was made before the check"
                )
            is_inside = computed
        found.append(
            CheckedFigure(
                name=name,
                title=title,
                unit=unit,
                predicted=predicted,
                measured=float(measured),
                baseline=check.get(f"baseline_{short}"),
                baseline_predicted=(baseline or {}).get(name),
                is_inside=is_inside,
            )
        )
    return tuple(found)


def _interval(check: Mapping[str, Any], short: str) -> dict[str, float] | None:
    keys = {key: f"{short}_{key}" for key in ("p05", "p50", "p95")}
    if not any(key in check for key in keys.values()):
        return None
    if missing := [key for key in keys.values() if check.get(key) is None]:
        raise InvalidInputError(f"the check gives part of an interval; {missing} missing")
    return {key: float(check[name]) for key, name in keys.items()}
