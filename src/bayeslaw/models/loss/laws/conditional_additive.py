from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.law import Array, LossLaw
from bayeslaw.models.loss.laws.shape_penalty import P1_RANGE, SHAPE_COEFFICIENTS, penalty


def conditional_additive(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``a1 h(x/x*) + b1 h(r/r*) + E + A/N**alpha + B/D**beta`` [nats per token].

    ``h(k) = log k + 1/k - 1``, ``x = d_model / sqrt(N)``, ``r`` MLP over attention weights, N
    without embeddings. The gauge is ours: `to_paper` gives the paper's numbers back.

    Source:
        Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, eq. 4.
    """
    width = theta["a1"] * penalty(columns["x"] / theta["x_star"])
    mlp = theta["b1"] * penalty(columns["r"] / theta["r_star"])
    return width + mlp + chinchilla(theta, columns)


_X_STAR, _A1, _R_STAR, _B1 = SHAPE_COEFFICIENTS

CONDITIONAL_ADDITIVE = LossLaw(
    name="conditional_additive",
    inputs=("n_params_body", "n_tokens", "relative_width", "mlp_attention_ratio"),
    letters=("N", "D", "x", "r"),
    coefficients=(
        *BASE_COEFFICIENTS,
        _X_STAR,
        replace(_A1, kind="loss"),
        _R_STAR,
        replace(_B1, kind="loss"),
    ),
    formula=conditional_additive,
    source="Bian, Yu, Venkataraman, Park (2025), arXiv:2510.18245, eq. 4",
    valid_range=P1_RANGE,
)
