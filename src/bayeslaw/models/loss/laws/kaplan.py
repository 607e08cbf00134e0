from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw


def kaplan(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``((N_c / N)**(alpha_N / alpha_D) + D_c / D)**alpha_D`` [nats per token].

    No floor: with data without end the loss is ``(N_c / N)**alpha_N``, and with size without end
    ``(D_c / D)**alpha_D``, both towards 0. N counts weights without embeddings.

    Source:
        Kaplan et al. (2020), arXiv:2001.08361, the joint L(N, D).
    """
    size = (theta["N_c"] / columns["N"]) ** (theta["alpha_N"] / theta["alpha_D"])
    return (size + theta["D_c"] / columns["D"]) ** theta["alpha_D"]


_EXPONENTS = (
    "published .076 and .103 (.095 for data alone); steeper nearer to small networks, whose loss "
    "is further from a floor that this form lacks"
)
_LIMITS = "each limit alone is a little below the loss that both together leave"

KAPLAN = LossLaw(
    name="kaplan",
    inputs=("n_params_body", "n_tokens"),
    letters=("N", "D"),
    coefficients=(
        Coefficient(
            "N_c",
            "size at which loss would be one nat",
            "loss",
            0.95,
            0.25,
            (("N", "alpha_N", 1.0),),
            raised_to="alpha_N",
            reason=_LIMITS,
            unit="weights",
        ),
        Coefficient("alpha_N", "how fast size lowers loss", "pure", 0.09, 0.5, reason=_EXPONENTS),
        Coefficient(
            "D_c",
            "tokens at which loss would be one nat",
            "loss",
            0.95,
            0.25,
            (("D", "alpha_D", 1.0),),
            raised_to="alpha_D",
            reason=_LIMITS,
            unit="tokens",
        ),
        Coefficient("alpha_D", "how fast data lower loss", "pure", 0.1, 0.5, reason=_EXPONENTS),
    ),
    formula=kaplan,
    source="Kaplan et al. (2020), arXiv:2001.08361, joint L(N, D)",
    valid_range=(("N", 768, 1.5e9), ("D", 2.2e7, 2.3e10)),
)
