from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bayeslaw.models.loss.laws.coefficient import Array, Coefficient
from bayeslaw.models.loss.laws.law import LossLaw
from bayeslaw.models.loss.laws.vocabulary import VOCABULARY


def vocabulary_rows(theta: Mapping[str, Array], columns: Mapping[str, Array]) -> Array:
    """Return ``u - E + A1 / N**alpha1 + A2 / V**alpha2 + B (V**kappa / H)**beta`` [nats per token].

    `vocabulary` with one thing more: every row of a larger vocabulary sees less of the same text, so
    V weights of it want ``V**kappa`` times the characters. With kappa of 1 text counts by row, with
    0 this is `vocabulary`.

    Source:
        Ours: Tao et al. (2024), arXiv:2407.13623, approach 3, with kappa. Their term of text has no
        V, but in their public losses large vocabularies start worse and end better, which wants one.
    """
    return (
        columns["u"]
        - theta["E"]
        + theta["A1"] / columns["N"] ** theta["alpha1"]
        + theta["A2"] / columns["V"] ** theta["alpha2"]
        + theta["B"] * (columns["V"] ** theta["kappa"] / columns["H"]) ** theta["beta"]
    )


def _at_reference(theta: Mapping[str, Array], reference: Mapping[str, Array]) -> Array:
    return theta["beta"] * (theta["kappa"] * reference["V"] - reference["H"])


_E, _A1, _ALPHA1, _A2, _ALPHA2, _B, _BETA = VOCABULARY.coefficients

VOCABULARY_ROWS = LossLaw(
    name="vocabulary_rows",
    inputs=VOCABULARY.inputs,
    letters=VOCABULARY.letters,
    coefficients=(
        _E,
        _A1,
        _ALPHA1,
        _A2,
        _ALPHA2,
        Coefficient(
            "kappa", "power of the vocabulary's weights in the text it wants", "real", 0.3, 0.3,
            reason="between 0 (only text counts) and 1 (text a row); frequent rows are seen anyway",
        ),
        replace(_B, at_reference=_at_reference),
        _BETA,
    ),
    formula=vocabulary_rows,
    source="ours, on Tao et al. (2024), arXiv:2407.13623, approach 3",
    falls_with=("N", "H"),
    given=VOCABULARY.given,
)  # fmt: skip
