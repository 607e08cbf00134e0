"""Whether a law's coefficients can be turned into a loss: refused when the law is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws.coefficient import Coefficient


def check_coefficients(
    law_name: str, letters: Sequence[str], coefficients: Sequence[Coefficient]
) -> None:
    """Refuse coefficients that nothing ties to the table's loss, or that refer to what is not there.

    Raises:
        InvalidInputError: Says which coefficient, and what a law needs instead.
    """
    _check_kinds(law_name, coefficients)
    names = Counter(c.name for c in coefficients)
    if twice := [name for name, times in names.items() if times > 1]:
        raise InvalidInputError(f"law {law_name!r} names {twice} more than once")
    exponents = sorted(c.name for c in coefficients if c.is_itself)
    for c in coefficients:
        if (c.raised_to and c.raised_to not in exponents) or (c.below and c.below not in letters):
            raise InvalidInputError(
                f"law {law_name!r}: {c.name!r} is raised to {c.raised_to!r} (one of {exponents}) "
                f"or below {c.below!r} (one of {list(letters)})"
            )
        for letter, exponent, _ in () if callable(c.at_reference) else c.at_reference:
            if letter not in letters or exponent not in exponents:
                raise InvalidInputError(
                    f"law {law_name!r}: the term of {c.name!r} is in {letter}**{exponent}; letters "
                    f"are {list(letters)}, exponents {exponents}"
                )


def _check_kinds(law_name: str, coefficients: Sequence[Coefficient]) -> None:
    kinds = Counter(c.kind for c in coefficients)
    if kinds["floor"] > 1 or not (kinds["floor"] or kinds["loss"]):
        raise InvalidInputError(
            f"law {law_name!r} needs one coefficient of kind floor, or none and one of kind loss "
            f"to carry the table's loss, got {dict(kinds)}"
        )
    if kinds["share"] and not kinds["floor"]:
        raise InvalidInputError(
            f"law {law_name!r} has shares of a floor but no coefficient of kind floor"
        )
