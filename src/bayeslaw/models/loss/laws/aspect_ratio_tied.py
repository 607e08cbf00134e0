from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.aspect_ratio import EPS_REASON, P2_RANGE, aspect_ratio
from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.law import Array, LossLaw

_E, _A, _ALPHA, _B, _ = BASE_COEFFICIENTS


def aspect_ratio_tied(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(E + A / N**alpha + B / D**alpha) (1 + eps R**alpha)`` [nats per token].

    Source:
        Bian, Yan, Venkataraman (2025), arXiv:2501.18107: every published fit ties the three
        exponents. N counts both untied embedding matrices.
    """
    tied = {**theta, "beta": theta["alpha"], "gamma": theta["alpha"]}
    return aspect_ratio(tied, columns)


ASPECT_RATIO_TIED = LossLaw(
    name="aspect_ratio_tied",
    inputs=("n_params", "n_tokens", "aspect_ratio"),
    letters=("N", "D", "R"),
    coefficients=(
        _E,
        _A,
        _ALPHA,
        replace(_B, at_reference=(("D", "alpha", 1.0),)),
        Coefficient(
            "eps",
            "what a wide shape adds",
            "pure",
            0.02,
            1.2,
            (("R", "alpha", -1.0),),
            reason=EPS_REASON,
        ),
    ),
    formula=aspect_ratio_tied,
    source="Bian, Yan, Venkataraman (2025), arXiv:2501.18107, alpha = beta = gamma",
    valid_range=P2_RANGE,
)
