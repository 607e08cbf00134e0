from __future__ import annotations

from collections.abc import Mapping

from array_api_compat import array_namespace

from bayeslaw.models.loss.laws.chinchilla_tied import TIED_COEFFICIENTS, chinchilla_tied
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw


def effective_tokens(n_tokens: Array, unique_tokens: Array, r_star: Array) -> Array:
    """Return what repeated tokens are worth in fresh ones, ``U + U R* (1 - exp(-R / R*))``.

    ``R = D / U - 1`` counts repetitions; tokens of which there are more than were read are all
    fresh.

    Args:
        n_tokens: Training tokens D, repeats included [count].
        unique_tokens: Different tokens U that there are to train on [count].
        r_star: R*, repetitions after which the worth of another falls by 1/e.

    >>> import numpy as np
    >>> one, four, forever = effective_tokens(np.array([1.0, 4.0, 1e6]), np.ones(3), 15.387756)
    >>> round(float(four), 2), round(float(forever), 2)
    (3.73, 16.39)
    """
    xp = array_namespace(n_tokens / unique_tokens / r_star)
    unique = xp.minimum(unique_tokens, n_tokens)
    spent = (n_tokens / unique - 1) / r_star
    return unique * (1 + r_star * (1 - xp.exp(-spent)))


def data_constrained(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A / N'**alpha + B / D'**alpha`` [nats per token].

    ``D'`` is what D tokens of U unique ones are worth when every repetition is worth less
    (`effective_tokens`, R_D). Weights beyond ``N_U = (A / B)**(1 / alpha) U``, the best size for
    one pass over U, count less in the same way (R_N): N' is N up to there. With ``U >= D`` and N
    up to N_U this is Chinchilla with tied exponents.

    Source:
        Muennighoff et al. (2023), arXiv:2305.16264. N counts all weights. With the published base,
        ``N_U = .051 U``.
    """
    xp = array_namespace(columns["U"])
    unique = xp.minimum(columns["U"], columns["D"])
    best = (theta["A"] / theta["B"]) ** (1 / theta["alpha"]) * unique
    data = effective_tokens(columns["D"], unique, theta["R_D"])
    size = effective_tokens(columns["N"], best, theta["R_N"])
    return chinchilla_tied(theta, {"N": size, "D": data})


DATA_CONSTRAINED = LossLaw(
    name="data_constrained",
    inputs=("n_params", "n_tokens", "unique_tokens"),
    letters=("N", "D", "U"),
    coefficients=(
        *TIED_COEFFICIENTS,
        Coefficient(
            "R_D",
            "repetitions of data until another is worth 1/e",
            "pure",
            15.0,
            0.7,
            reason="published 15.4 of one set of 182 runs",
        ),
        Coefficient(
            "R_N",
            "the same of weights beyond the best size for U",
            "pure",
            5.0,
            0.7,
            reason="published 5.3 of one set of 182 runs",
        ),
    ),
    formula=data_constrained,
    source="Muennighoff et al. (2023), arXiv:2305.16264",
    falls_with=("N", "D", "U"),
)
