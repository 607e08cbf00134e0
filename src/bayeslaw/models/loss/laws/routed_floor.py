from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw
from bayeslaw.models.loss.laws.routed import ROUTED, effective_experts

SCALE = 1e8
"""Weights at which `b` is the power of experts."""

_E, _A, _ALPHA, *_ = BASE_COEFFICIENTS
_LOG_SCALE = math.log(SCALE)


def routed_floor(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A N**-alpha E_hat**(b + c log(N / 1e8))`` [nats per token].

    `routed` has no floor, so it falls too fast where networks grow beyond those fitted; here size
    and experts remove only what lies over one. ``E_hat`` is the number of experts that count
    (`effective_experts`). There is no term for data: the runs of a fit saw as much text, so the law
    holds for that many tokens only, and what data would still remove is part of the floor.

    Source:
        Ours: Clark et al. (2022), arXiv:2202.01169, over a floor.
    """
    log_e = log(effective_experts(theta, columns["X"]))
    return theta["E"] + theta["A"] * exp(_log_factor(theta, log(columns["N"]), log_e))


def _log_factor(theta: Mapping[str, Array], log_n: Array, log_e: Array) -> Array:
    return -theta["alpha"] * log_n + (theta["b"] + theta["c"] * (log_n - _LOG_SCALE)) * log_e


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    log_e = log(effective_experts(theta, exp(reference["X"])))
    return _log_factor(theta, reference["N"], log_e)


_START, _MOST = ROUTED.coefficients[-2:]

ROUTED_FLOOR = LossLaw(
    name="routed_floor",
    inputs=ROUTED.inputs,
    letters=ROUTED.letters,
    coefficients=(
        _E,
        replace(
            _ALPHA, prior_median=0.25, prior_sd=0.5,
            reason="between .35 of dense laws with a term for data and the .19 of those without",
        ),
        Coefficient(
            "b", "power of experts, of 1e8 weights", "real", -0.1, 0.1,
            reason="the source has -.036 of the whole loss there; over a floor it is two or three "
            "times that, and routing may also help less, or not",
        ),
        Coefficient(
            "c", "how size changes the power of experts", "real", 0.0, 0.02,
            reason="the source's .004 over a floor may be none; a tenfold size moves it by .05",
        ),
        _START,
        _MOST,
        replace(
            _A, prior_median=0.4, at_reference=_at_reference, median_at=("N", 1e9, 0.15),
            reason="what size and data remove together of dense losses is .45 of the floor at 1e9 "
            "weights; data's part is in the floor here",
        ),
    ),
    formula=routed_floor,
    source="ours, on Clark et al. (2022), arXiv:2202.01169",
    falls_with=(),
    valid_range=ROUTED.valid_range,
)  # fmt: skip
