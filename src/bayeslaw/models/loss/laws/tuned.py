from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, chinchilla
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw


def log_penalty(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return what a rate and a batch off their best add to log loss, at least 0.

    In ``a = log(rate / best rate)`` and ``b = log(batch / best batch)`` it is
    ``(c a**2 + g b**2 - 2 r sqrt(c g) a b) (1 + s a / sqrt(1 + a**2))``: a valley whose axis may lie
    askew (a larger batch wants a larger rate) and whose side of large rates may be the steeper one.
    Both optima are powers of N and D. ``r`` and ``s`` are `rho` and `skew` pressed into (-1, 1).
    """
    log_n, log_d = log(columns["N"]), log(columns["D"])
    a = log(columns["eta"]) - log(theta["eta_0"])
    a = a - theta["eta_N"] * log_n - theta["eta_D"] * log_d
    b = log(columns["S"]) - log(theta["S_0"]) - theta["S_N"] * log_n - theta["S_D"] * log_d
    r = theta["rho"] / (1 + theta["rho"] ** 2) ** 0.5
    s = theta["skew"] / (1 + theta["skew"] ** 2) ** 0.5
    across = 2 * r * (theta["c"] * theta["g"]) ** 0.5 * a * b
    valley = theta["c"] * a**2 + theta["g"] * b**2 - across
    return valley * (1 + s * a / (1 + a**2) ** 0.5)


def tuned(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``(E + A / N**alpha + B / D**beta) exp(penalty)`` [nats per token].

    The penalty (`log_penalty`) is that of the learning rate and the batch. So runs of a sweep need
    not be thrown away but the best: those off the optimum say where it is, and the law predicts any
    run at rates that are known. Use ``badly_tuned`` of `fit_law` where rates are not.

    Source:
        Ours: Chinchilla around valleys that are quadratic in log rate and log batch. That both
        optima are powers of N and D: Li et al. (2025), arXiv:2503.04715; Bi et al. (2024),
        arXiv:2401.02954.
    """
    return chinchilla(theta, columns) * exp(log_penalty(theta, columns))


_POWERS = (
    "DeepSeek has powers of compute, -.125 (rate) and .327 (batch), and others larger ones of N "
    "alone; .3 leaves room for all of them and for either sign"
)
_MIDDLE = "people sweep around what they believe in: within a factor of e of the middle, 1 sd"


def _rate_at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    """Return the log of best rate over ``eta_0`` and over the table's middle rate."""
    best = theta["eta_N"] * reference["N"] + theta["eta_D"] * reference["D"]
    return best - reference["eta"]


def _batch_at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    best = theta["S_N"] * reference["N"] + theta["S_D"] * reference["D"]
    return best - reference["S"]


TUNED = LossLaw(
    name="tuned",
    inputs=("n_params_body", "n_tokens", "learning_rate", "batch_tokens"),
    letters=("N", "D", "eta", "S"),
    coefficients=(
        *BASE_COEFFICIENTS,
        Coefficient("eta_N", "power of size of the best rate", "real", -0.125, 0.3, reason=_POWERS),
        Coefficient("eta_D", "power of data of the best rate", "real", -0.125, 0.3, reason=_POWERS),
        Coefficient(
            "eta_0", "best rate of one weight and one token", "pure", 1.0, 1.0,
            _rate_at_reference, reason=_MIDDLE,
        ),
        Coefficient("S_N", "power of size of the best batch", "real", 0.33, 0.3, reason=_POWERS),
        Coefficient("S_D", "power of data of the best batch", "real", 0.33, 0.3, reason=_POWERS),
        Coefficient(
            "S_0", "best batch of one weight and one token", "pure", 1.0, 1.0,
            _batch_at_reference, reason=_MIDDLE, unit="tokens",
        ),
        Coefficient(
            "c", "log loss that a rate off by a factor of e adds", "pure", 0.01, 1.0,
            reason="sweeps show a few tenths of a percent at a factor of two",
        ),
        Coefficient(
            "g", "log loss that a batch off by a factor of e adds", "pure", 0.005, 1.0,
            reason="batches matter less than rates near the optimum",
        ),
        Coefficient(
            "rho", "how much larger a rate a larger batch wants", "real", 0.3, 0.5,
            reason="between none and the linear scaling rule",
        ),
        Coefficient(
            "skew", "how much steeper large rates are than small ones", "real", 0.3, 0.5,
            reason="too large a rate diverges, too small a one is only slow",
        ),
    ),
    formula=tuned,
    source="ours, on the optima of Li et al. (2025), arXiv:2503.04715 (Step Law)",
    falls_with=(),
)  # fmt: skip
