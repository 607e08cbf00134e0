from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.elementary import exp, log
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _ALPHA, _B, _BETA = BASE_COEFFICIENTS
_BITS = "published 2.7 (weights), 2.2 (activations), 1.0 (keys and values); a factor of three"
_OFFSET = "published .3, 1.4 and 2.4: from nearly none to all but removing the effect"


def kept_share(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return the share of the weights that low precision leaves: a product of three factors.

    ``(1 - exp(-W/gamma_w - n_w)) (1 - exp(-Q/gamma_a - n_a)) (1 - exp(-V/gamma_v - n_v))`` with W,
    Q and V the bits of weights, activations, and keys and values in training.
    """
    share = 1.0
    for bits, name in (("W", "w"), ("Q", "a"), ("V", "v")):
        lost = exp(-columns[bits] / theta[f"gamma_{name}"] - theta[f"n_{name}"])
        share = share * (1 - lost)
    return share


def precision(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A / (N kept)**alpha + B / D**beta`` [nats per token].

    Training in few bits acts as if a share of the weights were missing (`kept_share`). What
    quantisation after training adds on top is the formula ``kumar_post_training``.

    Source:
        Kumar et al. (2024), arXiv:2411.04330, table 2; its authors call the constants not portable.
    """
    kept = columns["N"] * kept_share(theta, columns)
    return (
        theta["E"]
        + theta["A"] / kept ** theta["alpha"]
        + theta["B"] / columns["D"] ** theta["beta"]
    )


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    bits = {letter: exp(reference[letter]) for letter in ("W", "Q", "V")}
    return -theta["alpha"] * (reference["N"] + log(kept_share(theta, bits)))


def _scale(name: str, what: str, median: float) -> Coefficient:
    return Coefficient(
        name, f"bits of {what} after which little is lost", "pure", median, 0.6,
        reason=_BITS, unit="bit",
    )  # fmt: skip


def _offset(name: str, what: str, median: float) -> Coefficient:
    return Coefficient(
        name, f"what no bits of {what} would leave, as an exponent", "pure", median, 0.8,
        reason=_OFFSET,
    )  # fmt: skip


PRECISION = LossLaw(
    name="precision",
    inputs=("n_params", "n_tokens", "weight_bits", "activation_bits", "kv_bits"),
    letters=("N", "D", "W", "Q", "V"),
    coefficients=(
        _E,
        replace(_A, at_reference=_at_reference),
        _ALPHA,
        _B,
        _BETA,
        _scale("gamma_w", "weights", 2.5),
        _offset("n_w", "weights", 0.5),
        _scale("gamma_a", "activations", 2.2),
        _offset("n_a", "activations", 1.0),
        _scale("gamma_v", "keys and values", 1.2),
        _offset("n_v", "keys and values", 1.5),
    ),
    formula=precision,
    source="Kumar et al. (2024), arXiv:2411.04330, table 2",
    falls_with=("N", "D", "W", "Q", "V"),
)
