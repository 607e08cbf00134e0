from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.coefficient import Coefficient
from bayeslaw.models.loss.laws.law import Array, LossLaw

EPS_REASON = (
    "P2's rows say .015 tied (.9-2.3 %) and .004 free at R = 64; its shapes move loss by 1-4 %"
)
P2_RANGE = (("N", 7.9e7, 3.2e8), ("D", 1.6e9, 1.3e10))
"""What P2 fits: 80M to 313M at 20 tokens a weight, and 80M at 160."""


def aspect_ratio(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(E + A / N**alpha + B / D**beta) (1 + eps R**gamma)`` [nats per token].

    R is ``d_model / n_layers``: wide and shallow networks pay. The term is monotone in R, while
    what the public rows show is U-shaped in log R once N is counted without embeddings.

    Source:
        Bian, Yan, Venkataraman (2025), arXiv:2501.18107, with all exponents free (the authors'
        ``law_nonequal``). N there counts both untied embedding matrices.
    """
    return chinchilla(theta, columns) * (1 + theta["eps"] * columns["R"] ** theta["gamma"])


ASPECT_RATIO = LossLaw(
    name="aspect_ratio",
    inputs=("n_params", "n_tokens", "aspect_ratio"),
    letters=("N", "D", "R"),
    coefficients=(
        *BASE_COEFFICIENTS,
        Coefficient(
            "eps",
            "what a wide shape adds",
            "pure",
            0.02,
            1.2,
            (("R", "gamma", -1.0),),
            reason=EPS_REASON,
        ),
        Coefficient(
            "gamma",
            "how fast width adds it",
            "pure",
            0.7,
            0.6,
            reason="refits of P2's rows say .61 (tied) and 1.26 (free, .86-2.95)",
        ),
    ),
    formula=aspect_ratio,
    source="Bian, Yan, Venkataraman (2025), arXiv:2501.18107, free exponents",
    valid_range=P2_RANGE,
)
