from bayeslaw.models.costs.kinetics import FLOPS_PER_ELEMENT, TestTimeCost, kinetics_cost
from bayeslaw.models.costs.lifetime import (
    FLOPS_ONLY,
    Demand,
    LifetimeOptimum,
    Prices,
    cheapest_for_loss,
    lifetime_cost,
)
from bayeslaw.models.costs.model import CostModel, fit_cost

__all__ = [
    "FLOPS_ONLY",
    "FLOPS_PER_ELEMENT",
    "CostModel",
    "Demand",
    "LifetimeOptimum",
    "Prices",
    "TestTimeCost",
    "cheapest_for_loss",
    "fit_cost",
    "kinetics_cost",
    "lifetime_cost",
]
