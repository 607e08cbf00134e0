from __future__ import annotations

import math
from collections.abc import Mapping

from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw

_LOG10 = math.log(10.0)


def effective_experts(theta: Mapping[str, Array], n_experts: Array) -> Array:
    """Return how many experts count: from ``E_start`` at one expert, never above ``E_max``.

    ``1/E_hat = 1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max``.

    >>> theta = {"E_start": 1.847, "E_max": 314.478}
    >>> [round(effective_experts(theta, n), 2) for n in (1, 64, 512)]
    [1.85, 53.77, 194.94]
    """
    start, most = theta["E_start"], theta["E_max"]
    return 1 / (1 / (n_experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most)


def effective_params(theta: Mapping[str, Array], n_params: Array, n_experts: Array) -> Array:
    """Return the size of the dense network that has the routed one's loss [count].

    Args:
        theta: Coefficients of `ROUTED`; its dense network is one with a single expert.
        n_params: Weights that a token passes through, without embeddings.
        n_experts: Experts of a routed layer.

    >>> theta = {"a": -0.082, "b": -0.108, "c": 0.009, "E_start": 1.847, "E_max": 314.478}
    >>> round(effective_params(theta, 1e8, 64.0) / 1e8, 1)
    4.6
    """
    log_start = log(effective_experts(theta, 1.0))
    slope = theta["a"] + theta["c"] * log_start / _LOG10
    factor = _log_factor(theta, log(n_params), log(effective_experts(theta, n_experts)))
    return exp((factor - theta["b"] * log_start) / slope)


def routed(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``scale * N**a * E_hat**(b + c log10 N)`` [nats per token].

    In the paper's words ``log10 L = a log10 N + b log10 E_hat + c log10 N log10 E_hat + d`` with
    ``scale = 10**d`` and E_hat from `effective_experts`: routing helps less the larger the network
    (c > 0), and no more at ``10**(-b/c)`` weights. N counts the weights that a token passes through,
    without embeddings. There is no term for data: every run of the source saw as much text, so the
    law holds for that many tokens only.

    Source:
        Clark et al. (2022), arXiv:2202.01169. That logarithms are to base 10 and E_hat is as above
        was checked on 193 of the released losses, which the printed coefficients miss by 2.1 %
        (root mean square).
    """
    log_e = log(effective_experts(theta, columns["X"]))
    return theta["scale"] * exp(_log_factor(theta, log(columns["N"]), log_e))


def _log_factor(theta: Mapping[str, Array], log_n: Array, log_e: Array) -> Array:
    return theta["a"] * log_n + (theta["b"] + theta["c"] * log_n / _LOG10) * log_e


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    log_e = log(effective_experts(theta, exp(reference["X"])))
    return _log_factor(theta, reference["N"], log_e)


ROUTED = LossLaw(
    name="routed",
    inputs=("n_params_body_active", "n_tokens", "n_experts"),
    letters=("N", "D", "X"),
    coefficients=(
        Coefficient(
            "scale", "10**d: loss of one weight and one expert", "loss", 1.0, 0.15, _at_reference,
            reason="the law passes through the table's mean loss, within 15 %",
        ),
        Coefficient(
            "a", "power of size", "real", -0.08, 0.04,
            reason="the source has -.082; Kaplan's -.076 is alike",
        ),
        Coefficient(
            "b", "power of experts, of a network of one weight", "real", -0.1, 0.06,
            reason="the source has -.108 (S-BASE routing); routing may also help less, or not",
        ),
        Coefficient(
            "c", "how size weakens the power of experts", "real", 0.01, 0.01,
            reason="the source has .009; around 0 size would not matter",
        ),
        Coefficient(
            "E_start", "experts that one expert counts for", "pure", 1.8, 0.3,
            reason="the source has 1.847; it is one or a little more by its meaning",
        ),
        Coefficient(
            "E_max", "experts that count at most", "pure", 300.0, 0.8,
            reason="the source has 314 (S-BASE routing); other routers may saturate at a quarter of it",
        ),
    ),
    formula=routed,
    source="Clark et al. (2022), arXiv:2202.01169",
    falls_with=(),
    valid_range=(("N", 1.6e7, 1.3e9), ("X", 1.0, 512.0)),
)  # fmt: skip
