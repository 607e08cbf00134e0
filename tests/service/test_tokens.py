import contextlib
import json
import shutil
import threading

import httpx
import pytest

from bayeslaw.cli.commands import token as commands
from bayeslaw.errors import StateError
from bayeslaw.service.app import create_app
from bayeslaw.service.settings import Settings
from bayeslaw.service.tokens import create_token, revoke_token, rotate_token
from bayeslaw.store import SqlStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class World:
    """A service, its clock, and somebody with each scope alone."""

    def __init__(self, store):
        self.now = 1e9
        self.store = store
        generous = Settings(failures_per_s=1e6, burst_failures=1e6)
        self.app = create_app(store, clock=lambda: self.now, settings=generous)
        self.secrets = {
            scope: create_token(store, scope, [scope], at=self.now)[1]
            for scope in ("read", "plan", "report", "admin")
        }
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1"
        )

    async def ask(self, method, path, *, scope="admin", secret="", key=None, **options):
        headers = {"Authorization": f"Bearer {secret or self.secrets[scope]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.client.request(method, path, headers=headers, **options)

    def close(self):
        self.app.state.parts.writer.close()
        self.app.state.parts.reads.close()
        self.app.state.authenticator.close()


@pytest.fixture
def world(store):
    world = World(store)
    yield world
    world.close()


def needed_scopes(method, path):
    """Say what the design asks for, route by route."""
    if path.startswith("/v1/tokens"):
        return ("admin",)
    if method in ("GET", "HEAD") or path == "/v1/spaces:validate":
        return ("read",)
    if path.endswith(":requeue"):  # by its worker, or by whoever plans
        return ("plan", "report")
    reporting = (":heartbeat", ":report", ":complete", ":fail", ":abandon", "/measurements")
    return ("report",) if path.endswith(reporting) else ("plan",)


async def test_every_route_wants_a_token_and_the_scope_that_the_design_says(world):
    n_routes = 0
    for route in world.app.router.routes:
        path = route.path.replace("{", "").replace("}", "")
        for method in route.methods:
            if path in ("/healthz", "/readyz"):
                assert (await world.client.request(method, path)).status_code in (200, 503)
                continue
            n_routes += 1
            answer = await world.client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "token-missing"), path
            answer = await world.ask(method, path, secret="blaw_" + "A" * 43)
            assert answer.status_code == 401, path
            for scope in ("read", "plan", "report", "admin"):
                answer = await world.ask(method, path, scope=scope)
                is_refused = answer.status_code == 403
                assert is_refused == (scope not in (*needed_scopes(method, path), "admin")), (
                    method, path, scope, answer.text,
                )  # fmt: skip
    assert n_routes > 25


async def test_what_is_not_there_wants_a_token_too(world):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for path in ("/", "/nope", "/v1/nope", "/v1/studies/s/nope", "/docs", "/admin"):
            assert (await world.client.request(method, path)).status_code == 401


async def test_an_admin_makes_rotates_and_revokes_a_token(world):
    answer = await world.ask(
        "POST", "/v1/tokens", json={"name": "ci", "scopes": ["report"], "expires_in_s": 100}
    )
    made = answer.json()
    assert answer.status_code == 201 and answer.headers["location"].endswith(made["token_id"])
    assert made["scopes"] == ["report"] and made["expires_at"] == "2001-09-09T01:48:20.000Z"
    path = f"/v1/tokens/{made['token_id']}"
    first = made["secret"]
    assert (await world.ask("GET", "/v1/studies", secret=first)).status_code == 403
    rotated = (await world.ask("POST", f"{path}:rotate", json={"grace_s": 10})).json()
    second = rotated["secret"]
    assert first != second and rotated["previous_until"] == "2001-09-09T01:46:50.000Z"
    statuses = [
        (await world.ask("GET", "/v1/studies", secret=s)).status_code for s in (first, second)
    ]
    assert statuses == [403, 403]
    world.now += 11
    statuses = [
        (await world.ask("GET", "/v1/studies", secret=s)).status_code for s in (first, second)
    ]
    assert statuses == [401, 403]
    answer = await world.ask("DELETE", path)
    assert answer.status_code == 200 and answer.json()["revoked_at"]
    assert (await world.ask("GET", "/v1/studies", secret=second)).status_code == 401
    assert (await world.ask("POST", f"{path}:rotate", json={})).status_code == 409
    assert (await world.ask("DELETE", "/v1/tokens/nobody")).status_code == 404


async def test_a_repeated_request_makes_no_second_token_and_tells_no_secret(world, everything):
    ask = {"name": "ci", "scopes": ["read"]}
    first = await world.ask("POST", "/v1/tokens", key="k", json=ask)
    second = await world.ask("POST", "/v1/tokens", key="k", json=ask)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == {**first.json(), "secret": None}
    assert len(world.store.tokens()) == 5
    content = everything()
    assert first.json()["token_id"].encode() in content
    assert first.json()["secret"].encode() not in content
    ask["scopes"] = ["admin"]
    third = await world.ask("POST", "/v1/tokens", key="k", json=ask)
    assert third.status_code == 422 and third.json()["code"] == "idempotency-key-reused"


async def test_tokens_are_listed_in_pages_without_secrets(world):
    names, page_token = [], ""
    for _ in range(10):
        answer = await world.ask("GET", f"/v1/tokens?page_size=3&page_token={page_token}")
        names += [token["name"] for token in answer.json()["tokens"]]
        assert "secret" not in answer.text and "hash" not in answer.text
        page_token = answer.json()["next_page_token"]
        if not page_token:
            break
    assert names == ["read", "plan", "report", "admin"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "scopes": ["read"]},
        {"name": " ", "scopes": ["read"]},
        {"name": "a\n", "scopes": ["read"]},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["write"]},
        {"name": "a", "scopes": ["read"], "expires_in_s": 0},
        {"name": "a", "scopes": ["read"], "expires_in_s": 1e300},
        {"name": "a", "scopes": ["read"], "secret": "mine"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(world, body):
    answer = await world.ask("POST", "/v1/tokens", json=body)
    assert answer.status_code == 422 and len(world.store.tokens()) == 4


async def test_metrics_count_by_template_and_tell_no_names(world):
    for i in range(30):
        await world.ask("GET", f"/v1/studies/{i}/runs")
        await world.ask("GET", f"/nope/{i}")
    text = (await world.ask("GET", "/metrics", scope="read")).text
    assert 'route="/v1/studies/{study_id}/runs",status="404"} 30.0' in text
    assert 'route="none",status="404"} 30.0' in text
    assert "/v1/studies/7" not in text and "/nope" not in text
    assert "process_resident_memory_bytes" in text and "bayeslaw_store_up 1.0" in text
    assert not any(secret in text for secret in world.secrets.values())


def command(capsys, name, *positional, **options):
    getattr(commands, name)(*positional, **options)
    return capsys.readouterr()


def test_the_command_line_makes_lists_rotates_and_revokes(tmp_path, capsys):
    home = tmp_path / "home"
    out, err = command(capsys, "create", "scheduler", "plan, report", home, expires_days=30)
    assert out.startswith("blaw_") and out.count("\n") == 1 and out.strip() not in err
    made = json.loads(
        command(capsys, "create", "ci", "read", home, expires_days=None, as_json=True).out
    )
    listed = json.loads(command(capsys, "list_tokens", home, as_json=True).out)
    assert [token["name"] for token in listed] == ["scheduler", "ci"]
    assert listed[0]["scopes"] == ["plan", "report"] and listed[1]["expires_at"] is None
    rotated = json.loads(
        command(capsys, "rotate", made["token_id"], home, grace_s=0, as_json=True).out
    )
    assert rotated["secret"] != made["secret"]
    command(capsys, "revoke", made["token_id"], home)
    table = command(capsys, "list_tokens", home).out
    assert "revoked" in table and "good" in table and "blaw_" not in table
    with pytest.raises(LookupError):
        commands.revoke("nobody", home)
    with pytest.raises(LookupError, match="no service in"):
        commands.list_tokens(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(ValueError, match="expires-days"):
        commands.create("a", "read", home, expires_days=-1)
    with pytest.raises(ValueError, match="scopes"):
        commands.create("a", "", home)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def address(request, tmp_path, empty_store):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return str(shutil.copy(empty_store, tmp_path / "shared.db"))


def test_a_rotation_never_brings_a_revoked_token_back(address):
    with SqlStore(address) as one, SqlStore(address) as other:
        for _ in range(20):
            token, _ = create_token(one, "x", ["read"], at=1.0)
            both = threading.Barrier(2)

            def rotate(token_id=token.token_id, both=both):
                both.wait()
                with contextlib.suppress(StateError):  # the other was faster
                    rotate_token(one, token_id, at=2.0)

            thread = threading.Thread(target=rotate)
            thread.start()
            both.wait()
            revoke_token(other, token.token_id, at=2.0)
            thread.join()
            [found] = [t for t in one.tokens() if t.token_id == token.token_id]
            assert found.revoked_at == 2.0 and found.previous_hash == ""
