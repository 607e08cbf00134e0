"""P1's U-curve in a shape ratio, with its scale redundancy fixed, and the way back to its letters.

P1 writes ``a0 + a1 log x + a2 / x``. Its optimum is ``x* = a2 / a1``, and in ``k = x / x*`` the
curve is its value there plus ``a1 (log k + 1/k - 1)``. Of the product of two such curves only five
numbers of six are identified (scale moves from one to the other), so we fix the gauge: each factor
is exactly 1 at its optimum (each term 0 when additive), and the base law is the loss at the best
shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.law import Array

SHAPE_COEFFICIENTS = (
    Coefficient(
        "x_star", "best d_model / sqrt(N)", "pure", 0.1, 0.7,
        reason="P1's fits say .080 and .074; two layers of width d have .2",
    ),
    Coefficient(
        "a1", "what a wrong width costs", "pure", 0.05, 1.0,
        reason="P1's fits say .038 (80-297M) and .123 (1B)",
    ),
    Coefficient(
        "r_star", "best MLP to attention ratio", "pure", 1.1, 0.8,
        reason="P1's fits say 1.03 and 1.22; common networks have 2 to 5",
    ),
    Coefficient(
        "b1", "what a wrong MLP share costs", "pure", 0.015, 1.0,
        reason="P1's fits say .016 (80-297M) and .010 (1B)",
    ),
)  # fmt: skip
"""Priors that hold P1's two fits in this gauge and leave room for shallow networks."""

P1_RANGE = (("N", 8e7, 1e9), ("D", 8e9, 1e11), ("r", 0.5, 5.0))
"""What P1 fitted: 100 tokens a weight; what lies outside in r it left out as outliers."""


def penalty(ratio: Array) -> Array:
    """Return ``log k + 1/k - 1``, at least 0 and exactly 0 at ``k = 1``."""
    xp = array_namespace(ratio)
    return xp.log(ratio) + 1 / ratio - 1


def from_paper(a0: float, a1: float, a2: float, b0: float, b1: float, b2: float) -> dict:
    """Return gauge-fixed coefficients of a multiplicative fit as P1 prints it.

    Returns:
        ``x_star``, ``a1``, ``r_star``, ``b1`` of this gauge, and ``scale``: the product of both
        printed factors at the optimum, by which the printed base law is to be multiplied.

    >>> fit = from_paper(2.697, 0.0974, 0.0078, 0.3870, 0.0063, 0.0065)
    >>> {name: round(value, 4) for name, value in fit.items()}
    {'x_star': 0.0801, 'a1': 0.0382, 'r_star': 1.0317, 'b1': 0.016, 'scale': 1.0028}
    """
    x_star, r_star = a2 / a1, b2 / b1
    at_x = a0 + a1 * (math.log(x_star) + 1)
    at_r = b0 + b1 * (math.log(r_star) + 1)
    return {
        "x_star": x_star,
        "a1": a1 / at_x,
        "r_star": r_star,
        "b1": b1 / at_r,
        "scale": at_x * at_r,
    }


def to_paper(theta: Mapping[str, Array], *, is_additive: bool = False) -> dict[str, Array]:
    """Return P1's ``a0, a1, a2, b0, b1, b2`` of gauge-fixed coefficients (numpy or floats).

    Both factors are 1 at their optimum; when additive, ``b0`` is 0 and ``a0`` holds both offsets,
    as P1 writes it.

    >>> back = to_paper({"x_star": 0.08, "a1": 0.04, "r_star": 1.0, "b1": 0.02})
    >>> {name: round(float(value), 4) for name, value in back.items()}
    {'a0': 1.061, 'a1': 0.04, 'a2': 0.0032, 'b0': 0.98, 'b1': 0.02, 'b2': 0.02}
    """
    x_offset = -theta["a1"] * (_log(theta["x_star"]) + 1)
    r_offset = -theta["b1"] * (_log(theta["r_star"]) + 1)
    a0, b0 = (x_offset + r_offset, 0.0 * r_offset) if is_additive else (1 + x_offset, 1 + r_offset)
    return {
        "a0": a0,
        "a1": theta["a1"],
        "a2": theta["a1"] * theta["x_star"],
        "b0": b0,
        "b1": theta["b1"],
        "b2": theta["b1"] * theta["r_star"],
    }


def _log(value: Array) -> Array:
    return math.log(value) if isinstance(value, float) else array_namespace(value).log(value)
