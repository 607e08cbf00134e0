"""Everything a planner believes, in one bundle."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import FLOPS_ONLY, CostModel, Demand, Prices
from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.models.links import ErrorLink
from bayeslaw.search.ensemble import PredictiveEnsemble
from bayeslaw.space import Workload


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Bundle what is believed about loss, latency and cost; what is not known yet is None.

    Attributes:
        loss: Members of the loss posteriors.
        latency: Of the device that will serve.
        workload: What it will serve; needed with ``latency`` and for ``memory_gb``.
        cost: GPU-hours of a run.
        link: From the loss to a task's error, for ``accuracy``.
        demand: Tokens served over a model's life, for ``lifetime_cost``.
        prices: Of a FLOP, for ``lifetime_cost``; in FLOP where left out.
    """

    loss: PredictiveEnsemble | None = None
    latency: LatencySurrogate | None = None
    workload: Workload | None = None
    cost: CostModel | None = None
    link: ErrorLink | None = None
    demand: Demand | None = None
    prices: Prices = FLOPS_ONLY

    def __post_init__(self) -> None:
        if self.latency is not None and self.workload is None:
            raise InvalidInputError("latency can be predicted only for a workload; give one")
        if self.link is not None and not isinstance(self.link, ErrorLink):
            raise InvalidInputError(
                f"link carries loss to a task's error: fit_error_link(...), got "
                f"{type(self.link).__name__}"
            )
