from bayeslaw.search.acquisition.problem import Acquisition, Aims, Goal, Problem
from bayeslaw.search.acquisition.registry import ACQUISITIONS, find_acquisition

__all__ = ["ACQUISITIONS", "Acquisition", "Aims", "Goal", "Problem", "find_acquisition"]
