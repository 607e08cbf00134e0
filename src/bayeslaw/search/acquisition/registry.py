"""Every way to choose runs, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.cheapest import CHEAPEST
from bayeslaw.search.acquisition.d_optimal import D_OPTIMAL
from bayeslaw.search.acquisition.hvkg import HVKG
from bayeslaw.search.acquisition.information_gain import INFORMATION_GAIN
from bayeslaw.search.acquisition.isoflop_grid import ISOFLOP_GRID
from bayeslaw.search.acquisition.mspe import MSPE
from bayeslaw.search.acquisition.one_factor_grid import ONE_FACTOR_GRID
from bayeslaw.search.acquisition.problem import Acquisition
from bayeslaw.search.acquisition.qlognehvi import QLOGNEHVI
from bayeslaw.search.acquisition.random import RANDOM
from bayeslaw.search.acquisition.sobol import SOBOL
from bayeslaw.search.acquisition.space_filling import SPACE_FILLING
from bayeslaw.search.acquisition.target_lookahead import TARGET_LOOKAHEAD
from bayeslaw.search.acquisition.v_optimal import V_OPTIMAL

ACQUISITIONS: Mapping[str, Acquisition] = {
    acquisition.name: acquisition
    for acquisition in (
        TARGET_LOOKAHEAD,
        QLOGNEHVI,
        HVKG,
        INFORMATION_GAIN,
        D_OPTIMAL,
        V_OPTIMAL,
        MSPE,
        SPACE_FILLING,
        SOBOL,
        CHEAPEST,
        ONE_FACTOR_GRID,
        ISOFLOP_GRID,
        RANDOM,
    )
}
"""Acquisition by name; the first is the default."""


def find_acquisition(name: str) -> Acquisition:
    """Return an acquisition, or say which there are."""
    if name not in ACQUISITIONS:
        raise InvalidInputError(f"acquisition must be one of {sorted(ACQUISITIONS)}, got {name!r}")
    return ACQUISITIONS[name]
