"""What to build at the target, how sure that is, and what would make it surer."""

from bayeslaw.search.recommendation.credible_set import CredibleSet, FactorRange
from bayeslaw.search.recommendation.deciding import DecidingRun
from bayeslaw.search.recommendation.forecast import Forecast
from bayeslaw.search.recommendation.heuristics import Heuristic
from bayeslaw.search.recommendation.p1 import search_p1
from bayeslaw.search.recommendation.p2 import search_p2
from bayeslaw.search.recommendation.recommendation import Recommendation

__all__ = [
    "CredibleSet",
    "DecidingRun",
    "FactorRange",
    "Forecast",
    "Heuristic",
    "Recommendation",
    "search_p1",
    "search_p2",
]
