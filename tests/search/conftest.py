import pytest
from search_world import world


@pytest.fixture(scope="session")
def known_world():
    return world()
