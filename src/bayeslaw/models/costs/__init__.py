from bayeslaw.models.costs.model import CostModel, fit_cost, predict_cost

__all__ = ["CostModel", "fit_cost", "predict_cost"]
