from bayeslaw.search.acquisition import ACQUISITIONS, Acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.ensemble import LossBelief, MemberSampler, PoolModel, PredictiveEnsemble
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.planner import plan
from bayeslaw.search.recommend import recommend
from bayeslaw.search.recommendation import Forecast, Recommendation
from bayeslaw.search.suggestion import Suggestion

__all__ = [
    "ACQUISITIONS",
    "Acquisition",
    "Beliefs",
    "Forecast",
    "LossBelief",
    "MemberSampler",
    "Objectives",
    "PoolModel",
    "PredictiveEnsemble",
    "Recommendation",
    "Suggestion",
    "parse_objectives",
    "plan",
    "recommend",
]
