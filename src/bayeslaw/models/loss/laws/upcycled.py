from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _ALPHA, *_ = BASE_COEFFICIENTS
_LOG_SCALE = math.log(1e9)


def upcycled(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A N**-alpha P**(-lam + c log(N / 1e9))`` [nats per token].

    N counts the weights that a token passes through and ``P = T / N`` how many times as many there
    are in all. Weights that a token does not use still help, by the power ``lam``, and less (c > 0)
    or more where more are used. There is no term for data: the runs of a fit saw as much text.

    Source:
        Liew, Kato, Takase (2025), arXiv:2502.03009 (networks that start from a dense one), the
        form in sparsity and active weights; N over 1e9 is ours.
    """
    log_n = log(columns["N"])
    log_p = log(columns["T"]) - log_n
    return theta["E"] + theta["A"] * exp(_log_factor(theta, log_n, log_p))


def _log_factor(theta: Mapping[str, Array], log_n: Array, log_p: Array) -> Array:
    return -theta["alpha"] * log_n + (theta["c"] * (log_n - _LOG_SCALE) - theta["lam"]) * log_p


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    return _log_factor(theta, reference["N"], reference["T"] - reference["N"])


UPCYCLED = LossLaw(
    name="upcycled",
    inputs=("n_params_active", "n_tokens", "n_params"),
    letters=("N", "D", "T"),
    coefficients=(
        _E,
        replace(
            _ALPHA, prior_median=0.25, prior_sd=0.5,
            reason="between .35 of dense laws with a term for data and the .19 of those without",
        ),
        Coefficient(
            "lam", "power of sparsity", "real", 0.1, 0.1,
            reason="from no gain to that of as many weights used (lam of alpha)",
        ),
        Coefficient(
            "c", "how size changes the power of sparsity", "real", 0.0, 0.02,
            reason="a tenfold size moves it by .05, either way",
        ),
        replace(
            _A, prior_median=0.4, at_reference=_at_reference,
            reason="what size and data remove together of dense losses is .45 of the floor at 1e9 "
            "weights; data's part is in the floor here",
        ),
    ),
    formula=upcycled,
    source="Liew, Kato, Takase (2025), arXiv:2502.03009",
    falls_with=(),
)  # fmt: skip
