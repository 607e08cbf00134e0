from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

_E, _, _, _B, _BETA = BASE_COEFFICIENTS


def width_depth(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + W / d**omega + K / l**kappa + B / D**beta`` [nats per token].

    ``d`` is d_model and ``l`` n_layers: size enters as its two sides, and not as a number of
    weights, which the law takes only because it says what a run costs.

    Source:
        McLeish et al. (2025), arXiv:2502.06857 (Gemstones), three terms, and the authors'
        repository; letters W, omega, K, kappa are ours.
    """
    return (
        theta["E"]
        + theta["W"] / columns["d"] ** theta["omega"]
        + theta["K"] / columns["l"] ** theta["kappa"]
        + theta["B"] / columns["D"] ** theta["beta"]
    )


_SHARES = (
    "together what size leaves in Chinchilla's prior, halved between width and depth; the "
    "published floor is 0, so wide"
)
_EXPONENTS = "published .26 and .21 (width), .14 and .47 (depth), with three and four terms"

WIDTH_DEPTH_TERMS = (
    Coefficient(
        "W", "loss that width removes", "share", 0.1, 1.2, (("d", "omega", 1.0),),
        ("N", 1e9, 0.15), reason=_SHARES,
    ),
    Coefficient("omega", "how fast width removes it", "pure", 0.35, 0.6, reason=_EXPONENTS),
    Coefficient(
        "K", "loss that depth removes", "share", 0.1, 1.2, (("l", "kappa", 1.0),),
        ("N", 1e9, 0.15), reason=_SHARES,
    ),
    Coefficient("kappa", "how fast depth removes it", "pure", 0.35, 0.6, reason=_EXPONENTS),
)  # fmt: skip
"""What width and depth leave: shared with the form that has a term for N, too."""

GEMSTONES_RANGE = (("N", 4.8e7, 2e9), ("D", 2e9, 3.5e11))
"""22 shapes of R 3.2 to 320, 350B tokens each."""

WIDTH_DEPTH = LossLaw(
    name="width_depth",
    inputs=("n_params", "n_tokens", "d_model", "n_layers"),
    letters=("N", "D", "d", "l"),
    coefficients=(_E, *WIDTH_DEPTH_TERMS, _B, _BETA),
    formula=width_depth,
    source="McLeish et al. (2025), arXiv:2502.06857 (Gemstones), width, depth and tokens",
    falls_with=("D", "d", "l"),
    valid_range=GEMSTONES_RANGE,
)
