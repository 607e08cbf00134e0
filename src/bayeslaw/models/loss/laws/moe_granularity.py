from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _ALPHA, _B, _BETA = BASE_COEFFICIENTS
_FLAT = (
    "the source's floor is low and its exponents flat (.115 and .147, shares 3.5 and 2 at 1e9 "
    "weights and 2e10 tokens), other laws' are .2-.7: wide enough for both"
)


def moe_granularity(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + (g/G**gamma + A)/N**alpha + B/D**beta`` [nats per token].

    G is the granularity: how many times narrower an expert is than the dense MLP. One expansion
    rate (experts over active experts) throughout: the law has no term for it. The paper writes
    ``c, a, b`` for E, A, B.

    Source:
        Krajewski et al. (2024), arXiv:2402.07871.
    """
    fine = theta["g"] / columns["G"] ** theta["gamma"] + theta["A"]
    return (
        theta["E"]
        + fine / columns["N"] ** theta["alpha"]
        + theta["B"] / columns["D"] ** theta["beta"]
    )


MOE_GRANULARITY = LossLaw(
    name="moe_granularity",
    inputs=("n_params", "n_tokens", "granularity"),
    letters=("N", "D", "G"),
    coefficients=(
        _E,
        replace(_A, prior_median=0.5, prior_sd=1.3, reason=_FLAT),
        replace(_ALPHA, prior_median=0.25, prior_sd=0.6, reason=_FLAT),
        replace(_B, prior_median=0.5, prior_sd=1.3, reason=_FLAT),
        replace(_BETA, prior_median=0.25, prior_sd=0.6, reason=_FLAT),
        Coefficient(
            "g", "loss of coarse experts that size removes", "share", 0.1, 1.2,
            (("G", "gamma", 1.0), ("N", "alpha", 1.0)),
            reason="the source has .1-.4 of its floor at 1e9 weights and granularities of 1-8",
        ),
        Coefficient(
            "gamma", "how finer experts lower it", "pure", 0.6, 0.5,
            reason="the source has .58; from 1/sqrt(G) to about 1/G",
        ),
    ),
    formula=moe_granularity,
    source="Krajewski et al. (2024), arXiv:2402.07871",
    falls_with=("N", "D", "G"),
)  # fmt: skip
