from bayeslaw.models.costs.model import CostModel, fit_cost

__all__ = ["CostModel", "fit_cost"]
