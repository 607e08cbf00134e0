"""A service over a store of its own, called without a network."""

from __future__ import annotations

import copy
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from bayeslaw.runs import Run
from bayeslaw.service.app import create_app
from bayeslaw.service.schemas.study import EXAMPLE_CONFIG
from bayeslaw.service.tokens import create_token
from bayeslaw.space import Architecture
from bayeslaw.store import PlanItem, SqlStore, copy_store

BASELINE = EXAMPLE_CONFIG["target"]["baseline"]


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """Make an empty store once; a copy is had in no time."""
    path = tmp_path_factory.mktemp("service") / "empty.db"
    SqlStore(path).close()
    return path


@pytest.fixture(scope="session")
def new_database(postgres_url) -> Iterator[Callable[[], str]]:
    """Return the address of an empty store on Postgres, another one each time."""
    import psycopg
    from sqlalchemy import make_url

    def address(name: str) -> str:
        return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)

    empty, made = f"empty_{uuid.uuid4().hex}", []
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {empty}")
        SqlStore(address(empty)).close()

        def make() -> str:
            made.append(f"test_{uuid.uuid4().hex}")
            connection.execute(f"CREATE DATABASE {made[-1]} TEMPLATE {empty}")
            return address(made[-1])

        yield make
        for name in (*made, empty):
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_address(request, tmp_path, empty_store) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("new_database")()
    return str(shutil.copy(empty_store, tmp_path / "store.db"))


@pytest.fixture
def store(store_address) -> Iterator[SqlStore]:
    with SqlStore(store_address) as opened:
        yield opened


@pytest.fixture
def everything(store_address, tmp_path) -> Callable[[], bytes]:
    """Return every byte that a store keeps."""

    def read() -> bytes:
        copy_store(store_address, tmp_path / "copy.db")
        return b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    return read


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def token(store: SqlStore, clock: Clock) -> Callable[..., str]:
    """Make tokens: ``token("read", "plan")`` is a secret."""

    def make(*scopes: str) -> str:
        return create_token(store, f"for-{'-'.join(scopes)}", scopes, at=clock())[1]

    return make


@pytest.fixture
def client(store: SqlStore, clock: Clock, token: Callable[..., str]) -> Iterator[TestClient]:
    """Call the service as an admin."""
    app = create_app(store, clock=clock)
    headers = {"Authorization": f"Bearer {token('admin')}"}
    with TestClient(app, base_url="http://localhost", headers=headers) as caller:
        yield caller


@pytest.fixture(scope="module")
def refusing(tmp_path_factory, empty_store) -> Iterator[TestClient]:
    """Call a service that has a study, for requests that change nothing."""
    path = tmp_path_factory.mktemp("refusing") / "store.db"
    shutil.copy(empty_store, path)
    with SqlStore(path) as store:
        secret = create_token(store, "refused", ("admin",), at=Clock()())[1]
        headers = {"Authorization": f"Bearer {secret}"}
        with TestClient(
            create_app(store, clock=Clock()), base_url="http://localhost", headers=headers
        ) as caller:
            assert caller.post("/v1/studies", json={"config": EXAMPLE_CONFIG}).is_success
            yield caller


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(EXAMPLE_CONFIG)


@pytest.fixture
def study(client: TestClient, config: dict[str, Any]) -> str:
    """Begin a study and return its path."""
    answer = client.post("/v1/studies", json={"config": config})
    assert answer.status_code == 201, answer.text
    return "/v1/studies/tiny"


@pytest.fixture
def plan(store: SqlStore) -> Callable[[int], None]:
    """Put so many runs into the plan of the study ``tiny``."""

    def put(n_items: int, *, study_id: str = "tiny", cost_gpu_hours: float = 0.5) -> None:
        shape = Architecture.from_dict(BASELINE)
        runs = [Run("plan", n_tokens=1_000_000 + i, architecture=shape) for i in range(n_items)]
        items = [PlanItem(rank, run, cost_gpu_hours) for rank, run in enumerate(runs)]
        with store.changing(study_id) as change:
            change.replace_plan(items)

    return put
