from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.conditional_multiplicative import (
    CONDITIONAL_MULTIPLICATIVE,
    conditional_multiplicative,
)
from bayeslaw.models.loss.laws.law import LossLaw
from bayeslaw.models.loss.laws.shape_penalty import SHAPE_COEFFICIENTS

SCALE = 1e9
"""Weights at which the shape coefficients have their own names' values."""

_DRIFTS = {"x_star": "x_drift", "a1": "a_drift", "r_star": "r_drift", "b1": "b_drift"}


def conditional_varying(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return P1's multiplicative law with shape coefficients that vary with N [nats per token].

    ``x*``, ``a1``, ``r*`` and ``b1`` are each multiplied by ``(N / 1e9)**drift``, so they stay
    positive, have their own values at 1e9 weights, and with all drifts 0 the law is
    `conditional_multiplicative`. P1 shares them across sizes, yet its two fits differ.

    Source:
        Ours, after Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, eq. 1 and 3.
    """
    scale = columns["N"] / SCALE
    here = {name: theta[name] * scale ** theta[drift] for name, drift in _DRIFTS.items()}
    return conditional_multiplicative({**theta, **here}, columns)


# A function each, and no partial of one: a law must equal itself in another process.
def _of_x_star(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return theta["x_drift"] * (log["N"] - math.log(SCALE))


def _of_a1(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return theta["a_drift"] * (log["N"] - math.log(SCALE))


def _of_r_star(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return theta["r_drift"] * (log["N"] - math.log(SCALE))


def _of_b1(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return theta["b_drift"] * (log["N"] - math.log(SCALE))


_FROM_P1 = (
    "between P1's fits (80-297M, geometric mean 151M; and 0.97B) x* moved as N**-.04, r* as "
    "N**.09, b1 as N**-.26, a1 as N**.63"
)

CONDITIONAL_VARYING = LossLaw(
    name="conditional_varying",
    inputs=CONDITIONAL_MULTIPLICATIVE.inputs,
    letters=CONDITIONAL_MULTIPLICATIVE.letters,
    coefficients=(
        *CONDITIONAL_MULTIPLICATIVE.coefficients[: -len(SHAPE_COEFFICIENTS)],
        *(
            replace(c, meaning=f"{c.meaning}, at 1e9 weights", at_reference=factor)
            for c, factor in zip(
                SHAPE_COEFFICIENTS, (_of_x_star, _of_a1, _of_r_star, _of_b1), strict=True
            )
        ),
        Coefficient("x_drift", "power of N in x*", "real", 0.0, 0.1, reason=_FROM_P1),
        Coefficient("a_drift", "power of N in a1", "real", 0.0, 0.3, reason=_FROM_P1),
        Coefficient("r_drift", "power of N in r*", "real", 0.0, 0.1, reason=_FROM_P1),
        Coefficient("b_drift", "power of N in b1", "real", 0.0, 0.3, reason=_FROM_P1),
    ),
    formula=conditional_varying,
    source="ours, after Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245",
    falls_with=("D",),
    valid_range=CONDITIONAL_MULTIPLICATIVE.valid_range,
)
