from bayeslaw.search.acquisition.problem import Acquisition, Problem
from bayeslaw.search.acquisition.registry import ACQUISITIONS, find_acquisition

__all__ = ["ACQUISITIONS", "Acquisition", "Problem", "find_acquisition"]
