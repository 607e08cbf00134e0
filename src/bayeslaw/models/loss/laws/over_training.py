from __future__ import annotations

import math
from collections.abc import Mapping

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _, _B, _ = BASE_COEFFICIENTS


def over_training(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + (a M**eta + b M**-eta) C**-eta`` [nats per token].

    ``C = 6 N D`` is the training compute [FLOP] and ``M = D / N`` the tokens a weight: lines of
    one M are parallel, so networks trained for long are predicted from ones trained briefly. It is
    Chinchilla with tied exponents in other letters: ``alpha = 2 eta``, ``a = A 6**eta``,
    ``b = B 6**eta``.

    Source:
        Gadre et al. (2024), arXiv:2403.08540, and the authors' code. N counts all weights (their
        ``params``).
    """
    compute = 6 * columns["N"] * columns["D"]
    multiple = columns["D"] / columns["N"]
    eta = theta["eta"]
    return theta["E"] + (theta["a"] * multiple**eta + theta["b"] * multiple**-eta) * compute**-eta


def _size_factor(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return -theta["eta"] * (math.log(6) + 2 * log["N"])


def _data_factor(theta: Mapping[str, Array], log: Mapping[str, Array]) -> Array:
    return -theta["eta"] * (math.log(6) + 2 * log["D"])


OVER_TRAINING = LossLaw(
    name="over_training",
    inputs=("n_params", "n_tokens"),
    letters=("N", "D"),
    coefficients=(
        _E,
        Coefficient(
            "a",
            "loss that size removes",
            "share",
            _A.prior_median,
            _A.prior_sd,
            _size_factor,
            _A.median_at,
            reason=_A.reason,
        ),
        Coefficient(
            "b",
            "loss that data removes",
            "share",
            _B.prior_median,
            _B.prior_sd,
            _data_factor,
            _B.median_at,
            reason=_B.reason,
        ),
        Coefficient(
            "eta",
            "how fast compute removes both",
            "pure",
            0.175,
            0.4,
            reason="half of Chinchilla's exponents, which lie in .23-.71",
        ),
    ),
    formula=over_training,
    source="Gadre et al. (2024), arXiv:2403.08540, L(C, M)",
    valid_range=(("N", 1.1e7, 6.9e9),),
)
