"""Everything a planner believes, in one bundle."""

from __future__ import annotations

from dataclasses import dataclass

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.costs import CostModel
from bayeslaw.models.latency import LatencySurrogate
from bayeslaw.search.ensemble import PredictiveEnsemble
from bayeslaw.space import Workload


@dataclass(frozen=True)
class Beliefs:
    """Bundle what is believed about loss, latency and cost; what is not known yet is None.

    Attributes:
        loss: Members of the loss posteriors.
        latency: Of the device that will serve.
        workload: What it will serve; needed with ``latency`` and for ``memory_gb``.
        cost: GPU-hours of a run.
    """

    loss: PredictiveEnsemble | None = None
    latency: LatencySurrogate | None = None
    workload: Workload | None = None
    cost: CostModel | None = None

    def __post_init__(self) -> None:
        if self.latency is not None and self.workload is None:
            raise InvalidInputError("latency can be predicted only for a workload; give one")
