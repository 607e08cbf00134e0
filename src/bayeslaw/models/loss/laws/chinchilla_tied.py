from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS, CHINCHILLA, chinchilla
from bayeslaw.models.loss.laws.coefficient import Array
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _ALPHA, _B, _ = BASE_COEFFICIENTS

TIED_COEFFICIENTS = (_E, _A, _ALPHA, replace(_B, at_reference=(("D", "alpha", 1.0),)))
"""The base's, with one exponent for size and data."""


def chinchilla_tied(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``E + A / N**alpha + B / D**alpha`` [nats per token].

    One exponent for both: the best number of tokens a weight is then the same at every budget. A
    coefficient less where the runs cannot tell the two apart.

    Source:
        Muennighoff et al. (2023), arXiv:2305.16264, whose base ties them (.353), after Hoffmann et
        al. (2022), arXiv:2203.15556. N counts all weights.
    """
    return chinchilla({**theta, "beta": theta["alpha"]}, columns)


CHINCHILLA_TIED = LossLaw(
    name="chinchilla_tied",
    inputs=CHINCHILLA.inputs,
    letters=CHINCHILLA.letters,
    coefficients=TIED_COEFFICIENTS,
    formula=chinchilla_tied,
    source="Muennighoff et al. (2023), arXiv:2305.16264, base, alpha = beta",
)
