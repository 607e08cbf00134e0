from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

SCALE = 1e9
"""Weights in units of which N enters, so that a1, a2 and a3 are of order one."""

_E, _, _, _B, _BETA = BASE_COEFFICIENTS


def farseer(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E exp(a3 n**-gamma) + B exp(a2 n**beta) D**(-b exp(a1 n**alpha))`` [nats per token].

    ``n = N / 1e9``. Floor, size of the data term and exponent of data all vary with N, so the best
    number of tokens a weight can rise with the budget. In the paper's letters,
    ``exp(a3 N**gamma + b3) + exp(a2 N**beta + b2) D**(-exp(a1 N**alpha + b1))``: our E, B and b
    are ``exp(b3)``, ``exp(b2)`` and ``exp(b1)``, our a's are in units of n, and the branch of
    gamma is the one in which the floor falls with N.

    Source:
        Li et al. (2025), arXiv:2506.10972. Its coefficients and its way of counting N are not at
        hand.
    """
    n = columns["N"] / SCALE
    logs = {
        "floor": theta["a3"] * n ** -theta["gamma"],
        "size": theta["a2"] * n ** theta["beta"],
        "exponent": theta["a1"] * n ** theta["alpha"],
    }
    xp = array_namespace(*logs.values())
    exponent = theta["b"] * xp.exp(logs["exponent"])
    data = theta["B"] * xp.exp(logs["size"]) * columns["D"] ** -exponent
    return theta["E"] * xp.exp(logs["floor"]) + data


def _of_floor(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    """Return the log of what multiplies a3 in the logarithm of the floor."""
    return -theta["gamma"] * (log["N"] - math.log(SCALE))


def _of_size(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    """Return the log of what multiplies E in the floor."""
    return theta["a3"] * math.e ** _of_floor(theta, log)


def _of_data(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    n = math.e ** (log["N"] - math.log(SCALE))
    exponent = theta["b"] * math.e ** (theta["a1"] * n ** theta["alpha"])
    return theta["a2"] * n ** theta["beta"] - exponent * log["D"]


_VARIES = "ours, for want of the published numbers: floor, data term and exponent vary by tens of %"

FARSEER = LossLaw(
    name="farseer",
    inputs=("n_params", "n_tokens"),
    letters=("N", "D"),
    coefficients=(
        Coefficient(
            "a3",
            "log of what small size adds to the floor",
            "pure",
            0.2,
            1.0,
            _of_floor,
            ("N", 1e9, 0.15),
            reason="the share that size leaves in Chinchilla's prior",
        ),
        Coefficient(
            "gamma",
            "how fast size takes it away",
            "pure",
            0.35,
            0.4,
            reason="Chinchilla's alpha where a3 is small",
        ),
        replace(_E, at_reference=_of_size),
        Coefficient("a1", "log of what size adds to b", "real", 0.0, 0.2, reason=_VARIES),
        Coefficient("alpha", "how fast size adds it", "pure", 0.1, 0.5, reason=_VARIES),
        Coefficient(
            "b",
            "how fast data remove loss",
            "pure",
            _BETA.prior_median,
            _BETA.prior_sd,
            reason=f"Chinchilla's beta: {_BETA.reason}",
        ),
        Coefficient("a2", "log of what size adds to B", "real", 0.0, 0.5, reason=_VARIES),
        Coefficient("beta", "how fast size adds it", "pure", 0.1, 0.5, reason=_VARIES),
        Coefficient(
            "B",
            "loss that data remove",
            "share",
            _B.prior_median,
            _B.prior_sd,
            _of_data,
            _B.median_at,
            reason=_B.reason,
        ),
    ),
    formula=farseer,
    source="Li et al. (2025), arXiv:2506.10972",
    falls_with=("D",),
)
