"""The laws that can be fitted, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss.laws.law import LossLaw

_rows: dict[str, LossLaw] = {}

LAWS: Mapping[str, LossLaw] = MappingProxyType(_rows)
"""Every law, by name."""


def register_law(law: LossLaw) -> LossLaw:
    """Add a law to `LAWS`, so that it can be fitted, saved, read back and named in a study.

    A law of your own needs no change to this package: write its file and call this where it is
    imported, before its posteriors are read.

    Raises:
        InvalidInputError: Another law has that name.
    """
    if _rows.get(law.name, law) != law:
        raise InvalidInputError(
            f"a law named {law.name!r} is there already (from {_rows[law.name].source}); give "
            f"yours another name, or its posteriors could not be told apart"
        )
    _rows[law.name] = law
    return law
