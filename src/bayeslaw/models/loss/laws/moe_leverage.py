from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, *_ = BASE_COEFFICIENTS
_LOG6 = math.log(6.0)
_LOG_REFERENCE_FLOPS = math.log(1e20)


def effective_share(theta: Mapping[str, Array], share: Array) -> Array:
    """Return the share of active experts that counts: never below ``s_start``, nor above ``s_max``.

    ``1/s_hat = 1/(s + 1/(1/s_start - 1/s_max)) + 1/s_max``: the transform of the routed law, for
    shares.
    """
    start, most = theta["s_start"], theta["s_max"]
    return 1 / (1 / (share + 1 / (1 / start - 1 / most)) + 1 / most)


def log_leverage(
    theta: Mapping[str, Array], log_flops: Array, share: Array, log_granularity: Array
) -> Array:
    """Return the logarithm of the efficiency leverage: dense over sparse FLOPs for one loss.

    ``EL = s_hat**(a + h log(C/1e20) + g (log G)**2 + b log G)``, C training FLOPs.
    """
    power = theta["a"] + theta["h"] * (log_flops - _LOG_REFERENCE_FLOPS)
    power = power + (theta["g"] * log_granularity + theta["b"]) * log_granularity
    return power * log(effective_share(theta, share))


def moe_leverage(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A / (EL C)**eta`` [nats per token], C = 6 N D with N active weights.

    EL is the efficiency leverage (`log_leverage`): how many times the FLOPs a dense network needs
    for the loss of this one. ``s`` is the share of experts that a token passes through, G the
    granularity (d_ff over the width of an expert; the paper's ``2 d_model / d_expert`` is half of
    that at d_ff = 4 d_model). The loss depends on N and D by their product alone, so the law is for
    runs near their best ratio.

    Source:
        Tian et al. (2025), arXiv:2507.17702, for EL. Its coefficients are unknown to
        us (it writes alpha, d, gamma, beta for a, h, g, b); C over 1e20, natural logarithms and
        the dense law around EL are ours.
    """
    log_flops = _LOG6 + log(columns["N"]) + log(columns["D"])
    leverage = log_leverage(theta, log_flops, columns["s"], log(columns["G"]))
    return theta["E"] + theta["A"] * exp(-theta["eta"] * (log_flops + leverage))


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    log_flops = _LOG6 + reference["N"] + reference["D"]
    share = exp(reference["s"])
    return -theta["eta"] * (log_flops + log_leverage(theta, log_flops, share, reference["G"]))


MOE_LEVERAGE = LossLaw(
    name="moe_leverage",
    inputs=("n_params_active", "n_tokens", "active_expert_share", "granularity"),
    letters=("N", "D", "s", "G"),
    coefficients=(
        _E,
        replace(
            _A, meaning="loss that compute removes", prior_median=0.45, at_reference=_at_reference,
            reason="what size and data remove together in the Chinchilla law: .2 + .25 of the floor",
        ),
        Coefficient(
            "eta", "how fast compute removes it", "pure", 0.16, 0.4,
            reason="alpha beta / (alpha + beta) of Chinchilla fits: .15 (Hoffmann), .18 (Epoch)",
        ),
        Coefficient(
            "a", "power of the share at 1e20 FLOP and granularity 1", "real", -0.4, 0.4,
            reason="leverage of 7 at a twentieth active (Ling-mini-beta) is a power of -.65; half is as likely",
        ),
        Coefficient(
            "h", "how the power changes with log compute", "real", 0.0, 0.03,
            reason="over a thousandfold compute the power moves by .2 at most, either way",
        ),
        Coefficient(
            "g", "curvature in log granularity", "real", 0.02, 0.02,
            reason="with b: a best granularity near exp(-b / 2g) = 20, the paper's 8-12 doubled",
        ),
        Coefficient(
            "b", "slope in log granularity", "real", -0.12, 0.1,
            reason="with g: a best granularity near exp(-b / 2g) = 20, the paper's 8-12 doubled",
        ),
        Coefficient(
            "s_start", "the share below which less helps no more", "pure", 0.01, 1.0,
            reason="Abnar et al. go down to a share of .02 and it still helps there",
        ),
        Coefficient(
            "s_max", "the share at which more helps no more", "pure", 2.0, 0.3,
            reason="above 1, so that a dense network's leverage is near 1",
        ),
    ),
    formula=moe_leverage,
    source="Tian et al. (2025), arXiv:2507.17702; coefficients unknown",
    falls_with=(),
)  # fmt: skip
