from __future__ import annotations

from collections.abc import Mapping

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw


def aspect_ratio_u(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(E + A/N**alpha + B/D**beta) (1 + eps log(R / R_star)**2)`` [nats per token].

    R is ``d_model / n_layers``: too wide and too deep both pay, and on everything, the floor
    included. P2's own term only grows with R; once N is counted without embeddings, what its rows
    leave is a U in log R.

    Source:
        Ours, on the shape variable of Bian, Yan, Venkataraman (2025), arXiv:2501.18107.
    """
    ratio = columns["R"] / theta["R_star"]
    distance = array_namespace(ratio).log(ratio)
    return chinchilla(theta, columns) * (1 + theta["eps"] * distance**2)


ASPECT_RATIO_U = LossLaw(
    name="aspect_ratio_u",
    inputs=("n_params", "n_tokens", "aspect_ratio"),
    letters=("N", "D", "R"),
    coefficients=(
        *BASE_COEFFICIENTS,
        Coefficient(
            "R_star",
            "best d_model / n_layers",
            "pure",
            50.0,
            1.0,
            reason="common networks have 30-200; shallow toys are best with fewer",
        ),
        Coefficient(
            "eps",
            "what a factor of e from it costs",
            "pure",
            0.01,
            1.2,
            reason="at 80M, R of 213 instead of 64 cost 2.3 % of the loss in P2's rows",
        ),
    ),
    formula=aspect_ratio_u,
    source="ours, on R of Bian, Yan, Venkataraman (2025), arXiv:2501.18107",
)
