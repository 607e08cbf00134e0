"""Every way to choose runs, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.knowledge_gradient import KNOWLEDGE_GRADIENT
from bayeslaw.search.acquisition.problem import Acquisition
from bayeslaw.search.acquisition.qlognehvi import QLOGNEHVI
from bayeslaw.search.acquisition.random import RANDOM
from bayeslaw.search.acquisition.space_filling import SPACE_FILLING

ACQUISITIONS: Mapping[str, Acquisition] = {
    acquisition.name: acquisition
    for acquisition in (QLOGNEHVI, KNOWLEDGE_GRADIENT, SPACE_FILLING, RANDOM)
}
"""Acquisition by name."""


def find_acquisition(name: str) -> Acquisition:
    """Return an acquisition, or say which there are."""
    if name not in ACQUISITIONS:
        raise InvalidInputError(f"acquisition must be one of {sorted(ACQUISITIONS)}, got {name!r}")
    return ACQUISITIONS[name]
