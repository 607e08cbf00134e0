from bayeslaw.search.acquisition import ACQUISITIONS, Acquisition
from bayeslaw.search.beliefs import Beliefs
from bayeslaw.search.candidate_pool import CandidatePool
from bayeslaw.search.candidates import SearchRound, improve
from bayeslaw.search.early_loss import EarlyLoss, early_loss
from bayeslaw.search.ensemble import LossBelief, MemberSampler, PoolModel, PredictiveEnsemble
from bayeslaw.search.figures import FIGURES
from bayeslaw.search.in_space import plan_in_space
from bayeslaw.search.objectives import Objectives, parse_objectives
from bayeslaw.search.planner import plan
from bayeslaw.search.pool_search import PoolSearch
from bayeslaw.search.recommend import recommend
from bayeslaw.search.recommend_in_space import recommend_in_space
from bayeslaw.search.recommendation import (
    CredibleSet,
    DecidingRun,
    Forecast,
    Heuristic,
    Recommendation,
    search_p1,
    search_p2,
)
from bayeslaw.search.stopping import StopAdvice, should_stop
from bayeslaw.search.suggestion import Suggestion
from bayeslaw.search.viability import Viability, fit_viability
from bayeslaw.search.watching import watch_run

__all__ = [
    "ACQUISITIONS",
    "FIGURES",
    "Acquisition",
    "Beliefs",
    "CandidatePool",
    "CredibleSet",
    "DecidingRun",
    "EarlyLoss",
    "Forecast",
    "Heuristic",
    "LossBelief",
    "MemberSampler",
    "Objectives",
    "PoolModel",
    "PoolSearch",
    "PredictiveEnsemble",
    "Recommendation",
    "SearchRound",
    "StopAdvice",
    "Suggestion",
    "Viability",
    "early_loss",
    "fit_viability",
    "improve",
    "parse_objectives",
    "plan",
    "plan_in_space",
    "recommend",
    "recommend_in_space",
    "search_p1",
    "search_p2",
    "should_stop",
    "watch_run",
]
