"""Points of a fixed experimental plan, and the candidates that lie nearest to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bayeslaw.errors import InvalidInputError
from bayeslaw.search.acquisition.problem import Problem
from bayeslaw.search.acquisition.space_filling import unit_features

# A plan fixes size and tokens first: a candidate of another size is another row of the plan.
_OF_SCALE = ("n_params_body", "n_tokens")
_SCALE_WEIGHT = 10.0


@dataclass(frozen=True)
class DesignPoint:
    """Name where one run of a plan should lie.

    Attributes:
        log2: Feature to its base-2 logarithm; features left out do not matter.
    """

    log2: Mapping[str, float]

    def closeness(self, problem: Problem) -> np.ndarray:
        """Return minus each candidate's distance, features scaled to the pool, ``(candidate,)``."""
        low = problem.features[: problem.n_candidates].min(axis=0)
        span = np.ptp(problem.features[: problem.n_candidates], axis=0)
        scaled = unit_features(problem)[: problem.n_candidates]
        varies = [
            name for name, wide in zip(problem.feature_names, span, strict=True) if wide > 1e-9
        ]
        distance = np.zeros(problem.n_candidates)
        for column, name in enumerate(varies):
            if name in self.log2:
                place = problem.feature_names.index(name)
                asked = (self.log2[name] - low[place]) / span[place]
                weight = _SCALE_WEIGHT if name in _OF_SCALE else 1.0
                distance += (weight * (scaled[:, column] - asked)) ** 2
        return -np.sqrt(distance)


def feature(problem: Problem, name: str) -> np.ndarray:
    """Return one feature's base-2 logarithm of every row ``(row,)``.

    Raises:
        InvalidInputError: The problem does not carry it.
    """
    if name not in problem.feature_names:
        raise InvalidInputError(
            f"a plan over sizes, tokens and shapes needs the feature {name!r}, got "
            f"{list(problem.feature_names)}"
        )
    return problem.features[:, problem.feature_names.index(name)]
