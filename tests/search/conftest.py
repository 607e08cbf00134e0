from dataclasses import replace

import pytest
from search_world import UnsureOfShape, world

from bayeslaw.search import PredictiveEnsemble


@pytest.fixture(scope="session")
def known_world():
    return world()


@pytest.fixture(scope="session")
def unsure_world(known_world):
    """The same, but which shape is best is open."""
    beliefs, done = known_world
    unsure = PredictiveEnsemble.from_beliefs([UnsureOfShape(n_draws=1000)], n_members=512)
    return replace(beliefs, loss=unsure), done
