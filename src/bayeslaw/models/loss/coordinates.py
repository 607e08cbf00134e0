"""How the unknowns of a fit lie in the sampler's flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from bayeslaw.models.loss.contamination import (
    EXCESS_LOG_SD,
    EXCESS_MEDIAN,
    SHARE_LOG_ODDS,
    SHARE_LOG_ODDS_SD,
)
from bayeslaw.models.loss.laws import LossLaw
from bayeslaw.models.loss.laws.law import Array
from bayeslaw.models.loss.noise import (
    RUN_SHARE_LOG_ODDS,
    RUN_SHARE_LOG_ODDS_SD,
    SIGMA_LOG_SD,
    SIGMA_MEDIAN,
)


class Unpacked(NamedTuple):
    """Hold one point, or many along leading axes, under their names.

    Attributes:
        coefficients: The law's standard-normal coordinates, ``(..., coefficient)``.
        sigma: Scale of one run's noise in log loss, at the middle of the runs.
        growth: Of the log noise scale per unit of log tokens per weight away from the middle.
        tau: Scale of the discrepancy along log cost.
        rho: Scale of the discrepancy along log tokens per weight.
        run_share: Share of the noise's variance that the points of one training job have in
            common; 0 where no two runs are of one job.
        badly_tuned_share: Of the runs; None unless asked for.
        badly_tuned_excess: Mean that a badly tuned run adds to log loss; None unless asked for.
    """

    coefficients: Array
    sigma: Array
    growth: Array
    tau: Array
    rho: Array
    run_share: Array
    badly_tuned_share: Any = None
    badly_tuned_excess: Any = None


@dataclass(frozen=True)
class Coordinates:
    """Say where each unknown lies: the law's coefficients first, then the scales, then the badly tuned."""

    law: LossLaw
    has_trunks: bool
    badly_tuned: bool = False

    def __len__(self) -> int:
        return len(self.law.coefficients) + 4 + self.has_trunks + 2 * self.badly_tuned

    def unpack(self, z: Array, scales: Mapping[str, Array], xp: ModuleType = np) -> Unpacked:
        """Return the unknowns of ``(..., coordinate)`` standard-normal coordinates.

        Args:
            z: Coordinates.
            scales: Fields of a `ScalePrior`.
            xp: numpy or jax.numpy.
        """
        n = len(self.law.coefficients)

        def lognormal(name: str, place: int) -> Array:
            return scales[f"{name}_median"] * xp.exp(scales[f"{name}_log_sd"] * z[..., n + place])

        run_share = 0.0 * z[..., n]
        if self.has_trunks:
            log_odds = RUN_SHARE_LOG_ODDS + RUN_SHARE_LOG_ODDS_SD * z[..., n + 4]
            run_share = 1 / (1 + xp.exp(-log_odds))
        badly_tuned_share = badly_tuned_excess = None
        if self.badly_tuned:
            log_odds = SHARE_LOG_ODDS + SHARE_LOG_ODDS_SD * z[..., -2]
            badly_tuned_share = 1 / (1 + xp.exp(-log_odds))
            badly_tuned_excess = EXCESS_MEDIAN * xp.exp(EXCESS_LOG_SD * z[..., -1])
        return Unpacked(
            coefficients=z[..., :n],
            sigma=SIGMA_MEDIAN * xp.exp(SIGMA_LOG_SD * z[..., n]),
            tau=lognormal("tau", 1),
            rho=lognormal("rho", 2),
            growth=lognormal("growth", 3),
            run_share=run_share,
            badly_tuned_share=badly_tuned_share,
            badly_tuned_excess=badly_tuned_excess,
        )
