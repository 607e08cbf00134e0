from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw


def moe_sparsity(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A/N**alpha + B/D**beta + c/s**lam + d/(s**delta N**gamma)`` [nats per token].

    N counts all experts, ``s = 1 - S`` is the share of them that a token passes through (1 when
    dense; the source writes the sparsity S). Sparser is better or worse by ``lam`` and ``delta``
    against each other, and by N: what sparsity costs shrinks as N grows.

    Source:
        Abnar et al. (2025), arXiv:2501.12370. Its held-out error at S = .98 is ten times that of
        its fit (mean squared error .0058 against .00056, R2 68 %): do not trust it far out.
    """
    share = columns["s"]
    sparse = theta["c"] / share ** theta["lam"]
    sparse = sparse + theta["d"] / (share ** theta["delta"] * columns["N"] ** theta["gamma"])
    return chinchilla(theta, columns) + sparse


MOE_SPARSITY = LossLaw(
    name="moe_sparsity",
    inputs=("n_params", "n_tokens", "active_expert_share"),
    letters=("N", "D", "s"),
    coefficients=(
        *BASE_COEFFICIENTS,
        Coefficient(
            "c", "loss that sparsity alone sets", "share", 0.3, 1.0, (("s", "lam", 1.0),),
            reason="the published fit has .25-.5 of its floor at shares of .02-1",
        ),
        Coefficient(
            "lam", "how it changes with the share", "real", 0.0, 0.2,
            reason="either sign: the source has -.17, sparser is better here and worse in d's term",
        ),
        Coefficient(
            "d", "loss of a sparse network that size removes", "share", 0.4, 1.0,
            (("s", "delta", 1.0), ("N", "gamma", 1.0)),
            reason="the published fit has .7 of its floor at 1e9 weights, dense",
        ),
        Coefficient(
            "delta", "how sparsity raises it", "pure", 0.2, 0.8,
            reason="the source has .16; a factor of five either way",
        ),
        Coefficient(
            "gamma", "how size removes it", "pure", 0.2, 0.6,
            reason="the source has .16, other laws' exponents of size reach .6",
        ),
    ),
    formula=moe_sparsity,
    source="Abnar et al. (2025), arXiv:2501.12370",
)  # fmt: skip
