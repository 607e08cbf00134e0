from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.chinchilla import BASE_COEFFICIENTS
from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw

_E, _A, _, _B, _ = BASE_COEFFICIENTS


def vocabulary(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``u - E + A1 / N**alpha1 + A2 / V**alpha2 + B / H**beta`` [nats per token].

    ``u`` is the loss of a model of token frequencies alone, which a larger vocabulary raises: what
    is left, the paper's normalised loss, compares across vocabularies. N counts weights outside
    the vocabulary, V those of it, H characters of text; tokens D only say what a run costs.

    Source:
        Tao et al. (2024), arXiv:2407.13623, approach 3: E 5.533, ``1.831 / N**.447`` and
        ``.196 / V**.671`` with N and V in millions, ``2.124 / H**.447`` with H in billions. The
        authors' code (sail-sg/scaling-with-vocab) means to fit tokens in the place of H, but
        converts with a vocabulary in thousands, which leaves about the characters: with those the
        printed numbers meet the public losses, with tokens they do not.
    """
    return (
        columns["u"]
        - theta["E"]
        + theta["A1"] / columns["N"] ** theta["alpha1"]
        + theta["A2"] / columns["V"] ** theta["alpha2"]
        + theta["B"] / columns["H"] ** theta["beta"]
    )


_EXPONENTS = "published .447 (size and data) and .671 (vocabulary)"
_SMALL = "published: .12 nats at 2M vocabulary weights, .019 at 33M, over a floor of about two nats"

VOCABULARY = LossLaw(
    name="vocabulary",
    inputs=("n_params_body", "n_tokens", "vocab_params", "n_characters", "unigram_loss_nats"),
    letters=("N", "D", "V", "H", "u"),
    coefficients=(
        replace(_E, meaning="what the best model gains on token frequencies", below="u"),
        replace(_A, name="A1", at_reference=(("N", "alpha1", 1.0),)),
        Coefficient("alpha1", "how fast size removes it", "pure", 0.4, 0.4, reason=_EXPONENTS),
        Coefficient(
            "A2", "loss that a vocabulary's weights remove", "share", 0.02, 1.0,
            (("V", "alpha2", 1.0),), reason=_SMALL,
        ),
        Coefficient("alpha2", "how fast they remove it", "pure", 0.55, 0.4, reason=_EXPONENTS),
        replace(_B, at_reference=(("H", "beta", 1.0),), median_at=("H", 8e10, 0.15)),
        Coefficient("beta", "how fast text removes it", "pure", 0.4, 0.4, reason=_EXPONENTS),
    ),
    formula=vocabulary,
    source="Tao et al. (2024), arXiv:2407.13623, approach 3",
    falls_with=("N", "V", "H"),
    given=("u",),
)  # fmt: skip
