from bayeslaw.search.acquisition import ACQUISITIONS, Acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.ensemble import LossBelief, MemberSampler, PoolModel, PredictiveEnsemble
from bayeslaw.search.figures import FIGURES
from bayeslaw.search.in_space import plan_in_space
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.planner import plan
from bayeslaw.search.recommend import recommend
from bayeslaw.search.recommendation import (
    CredibleSet,
    DecidingRun,
    Forecast,
    Heuristic,
    Recommendation,
    search_p1,
    search_p2,
)
from bayeslaw.search.suggestion import Suggestion
from bayeslaw.search.viability import Viability, fit_viability

__all__ = [
    "ACQUISITIONS",
    "FIGURES",
    "Acquisition",
    "Beliefs",
    "CandidatePool",
    "CredibleSet",
    "DecidingRun",
    "Forecast",
    "Heuristic",
    "LossBelief",
    "MemberSampler",
    "Objectives",
    "PoolModel",
    "PredictiveEnsemble",
    "Recommendation",
    "Suggestion",
    "Viability",
    "fit_viability",
    "parse_objectives",
    "plan",
    "plan_in_space",
    "recommend",
    "search_p1",
    "search_p2",
]
