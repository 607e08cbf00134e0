from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.law import Array, LossLaw
from bayeslaw.models.loss.laws.shape_penalty import P1_RANGE, SHAPE_COEFFICIENTS, penalty


def conditional_multiplicative(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(1 + a1 h(x/x*)) (1 + b1 h(r/r*)) (E + A/N**alpha + B/D**beta)`` [nats per token].

    ``h(k) = log k + 1/k - 1``, ``x = d_model / sqrt(N)``, ``r`` MLP over attention weights, N
    without embeddings. The gauge is ours: `to_paper` gives the paper's six numbers back.

    Source:
        Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, eq. 1, 3.
    """
    width = 1 + theta["a1"] * penalty(columns["x"] / theta["x_star"])
    mlp = 1 + theta["b1"] * penalty(columns["r"] / theta["r_star"])
    return width * mlp * chinchilla(theta, columns)


CONDITIONAL_MULTIPLICATIVE = LossLaw(
    name="conditional_multiplicative",
    inputs=("n_params_body", "n_tokens", "relative_width", "mlp_attention_ratio"),
    letters=("N", "D", "x", "r"),
    coefficients=(*BASE_COEFFICIENTS, *SHAPE_COEFFICIENTS),
    formula=conditional_multiplicative,
    source="Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, eq. 1 and 3",
    valid_range=P1_RANGE,
)
