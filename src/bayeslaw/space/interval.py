"""Interval arithmetic over many boxes at once: bounds on a formula without evaluating members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Interval:
    """Bound a quantity from below and above, for each box.

    Attributes:
        low: Lower ends, float64, shape ``(box,)``.
        high: Upper ends, float64, shape ``(box,)``.

    >>> width = Interval(np.array([64.0]), np.array([128.0]))
    >>> (3 * width - width).high  # correct, not tight: each mention counts by itself
    array([320.])
    >>> (width <= 200).always
    array([ True])
    """

    low: np.ndarray
    high: np.ndarray

    # NumPy must leave `array * Interval` to us.
    __array_ufunc__ = None

    def __add__(self, other: Any) -> Interval:
        other = _interval(other)
        return Interval(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Any) -> Interval:
        return self + (-_interval(other))

    def __rsub__(self, other: Any) -> Interval:
        return _interval(other) + (-self)

    def __mul__(self, other: Any) -> Interval:
        other = _interval(other)
        return _hull(
            self.low * other.low, self.low * other.high,
            self.high * other.low, self.high * other.high,
        )  # fmt: skip

    def __truediv__(self, other: Any) -> Interval:
        other = _interval(other)
        crosses = (other.low <= 0) & (other.high >= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = _hull(
                self.low / other.low, self.low / other.high,
                self.high / other.low, self.high / other.high,
            )  # fmt: skip
        return Interval(
            np.where(crosses, -np.inf, quotient.low), np.where(crosses, np.inf, quotient.high)
        )

    def __rtruediv__(self, other: Any) -> Interval:
        return _interval(other) / self

    def __pow__(self, exponent: float) -> Interval:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ends = _hull(self.low**exponent, self.high**exponent)
        if float(exponent).is_integer() and exponent % 2 == 0 and exponent > 0:
            crosses = (self.low < 0) & (self.high > 0)
            return Interval(np.where(crosses, 0.0, ends.low), ends.high)
        if exponent < 0 or not float(exponent).is_integer():
            unknown = (self.low <= 0) & (self.high >= 0) if exponent < 0 else self.low < 0
            return Interval(
                np.where(unknown, -np.inf, ends.low), np.where(unknown, np.inf, ends.high)
            )
        return ends

    def __mod__(self, other: Any) -> Interval:
        other = _interval(other)
        is_point = (self.low == self.high) & (other.low == other.high)
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.mod(self.low, other.low)
        return Interval(
            np.where(is_point, exact, np.minimum(0.0, other.low)),
            np.where(is_point, exact, np.maximum(0.0, other.high)),
        )

    def sqrt(self) -> Interval:
        """Return bounds of the square root."""
        with np.errstate(invalid="ignore"):
            low, high = np.sqrt(self.low), np.sqrt(self.high)
        return Interval(np.where(self.low < 0, -np.inf, low), np.where(self.high < 0, np.inf, high))

    def log(self) -> Interval:
        """Return bounds of the natural logarithm."""
        with np.errstate(invalid="ignore", divide="ignore"):
            low, high = np.log(self.low), np.log(self.high)
        return Interval(
            np.where(self.low <= 0, -np.inf, low), np.where(self.high <= 0, np.inf, high)
        )

    def __le__(self, other: Any) -> Truth:
        other = _interval(other)
        return Truth(always=self.high <= other.low, possibly=self.low <= other.high)

    def __lt__(self, other: Any) -> Truth:
        other = _interval(other)
        return Truth(always=self.high < other.low, possibly=self.low < other.high)

    def __ge__(self, other: Any) -> Truth:
        return _interval(other) <= self

    def __gt__(self, other: Any) -> Truth:
        return _interval(other) < self

    def equals(self, other: Any) -> Truth:
        """Return where both are the same number, always or possibly."""
        other = _interval(other)
        is_point = (self.low == self.high) & (other.low == other.high)
        return Truth(
            always=is_point & (self.low == other.low),
            possibly=(self.low <= other.high) & (self.high >= other.low),
        )

    __radd__ = __add__
    __rmul__ = __mul__


@dataclass(frozen=True)
class Truth:
    """Say whether a comparison holds for all, or for any, members of each box."""

    always: np.ndarray
    possibly: np.ndarray

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.always & other.always, self.possibly & other.possibly)

    def __invert__(self) -> Truth:
        return Truth(always=~self.possibly, possibly=~self.always)


def _interval(value: Any) -> Interval:
    if isinstance(value, Interval):
        return value
    point = np.asarray(value, dtype=np.float64)
    return Interval(point, point)


def _hull(*ends: np.ndarray) -> Interval:
    # 0 * inf is nan; nothing is known of such a box, so its bounds are infinite.
    stacked = np.stack(np.broadcast_arrays(*ends))
    unknown = np.isnan(stacked).any(axis=0)
    return Interval(
        np.where(unknown, -np.inf, stacked.min(axis=0)),
        np.where(unknown, np.inf, stacked.max(axis=0)),
    )
